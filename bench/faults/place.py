"""A folder with one good file of every kind that hubslice reads, made once and copied for every trial."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

QUIET = ("--quiet",)


def make(folder: Path) -> None:
    """Fill an empty folder: teachers, data, a finished run, its published form, and what commands make of them."""
    import torch
    from PIL import Image
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        BertTokenizer,
        ViTConfig,
        ViTForImageClassification,
    )

    import hubslice
    from hubslice.modality.image.image_processor import plain_settings
    from hubslice.models.timm_adapter import TimmModel
    from tests.images import COLOURS, write_parquet
    from tests.run.quick import QUICK
    from tests.run.tiny import write_job

    write_job(folder, QUICK)
    hubslice.slice(folder / "recipe.yaml", out=folder / "run", device="cpu")
    torch.manual_seed(0)
    sizes = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "hidden_size": 16}
    names = dict(enumerate(COLOURS))
    kinds = {"id2label": names, "label2id": {name: number for number, name in names.items()}}
    for name in ("vit", "other"):
        model = ViTForImageClassification(ViTConfig(**sizes, **kinds, image_size=32, patch_size=8))
        model.save_pretrained(folder / name)
        (folder / name / "preprocessor_config.json").write_text(json.dumps(plain_settings(32)))
    shutil.copytree(folder / "vit", folder / "sharded")
    model.save_pretrained(folder / "sharded", max_shard_size="8KB")
    (folder / "sharded" / "model.safetensors").unlink(missing_ok=True)
    words = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "dull", "fine")
    (folder / "vocab.txt").write_text("\n".join(words))
    for name in ("texts", "texts-b"):
        BertForSequenceClassification(
            BertConfig(**sizes, vocab_size=len(words), max_position_embeddings=32)
        ).save_pretrained(folder / name)
        BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder / name)
    (folder / "seeds.txt").write_text("good film\nbad film\ndull film\nfine film\n")
    TimmModel.create("test_resnet", tuple(COLOURS), seed=7).save(folder / "teacher-b")
    write_parquet(folder / "shapes.parquet")
    rows = ["file_name,label"]
    for number in range(24):
        label = list(COLOURS)[number % len(COLOURS)]
        for place in (folder / "images" / label, folder / "listed"):
            place.mkdir(parents=True, exist_ok=True)
            colour = tuple(min(255, value + number) for value in COLOURS[label])
            Image.new("RGB", (24, 24), colour).save(place / f"{number}.png")
        rows.append(f"{number}.png,{label}")
    (folder / "listed" / "metadata.csv").write_text("\n".join(rows) + "\n")
    text = (folder / "recipe.yaml").read_text()
    splits = "splits: {train: 0.5, validation: 0.25, test: 0.25}"
    for name in ("images", "listed"):
        data = text.replace("{path: ./shapes.parquet, group: group}", f"{{path: ./{name}, {splits}}}")
        (folder / f"{name}.yaml").write_text(data)
    shutil.copytree(folder / "run" / "student", folder / "student")
    _sign(folder / "student", folder / "key.pub")
    (folder / "seeds").mkdir()
    for name in ("0.png", "1.png", "2.png"):
        shutil.copy(folder / "listed" / name, folder / "seeds" / name)
    _by_commands(folder)


def _sign(student: Path, public: Path) -> None:
    """Sign the published form of the student with a key of its own."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec

    from hubslice.files.names import SIGNATURE
    from hubslice.hub.signature import UNSIGNED, SigningKey, sign

    key = ec.generate_private_key(ec.SECP256R1())
    private = public.with_suffix(".pem")
    private.write_bytes(
        key.private_bytes(form.Encoding.PEM, form.PrivateFormat.TraditionalOpenSSL, form.NoEncryption())
    )
    public.write_bytes(key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo))
    names = {path.relative_to(student).as_posix() for path in student.rglob("*") if path.is_file()}
    (student / SIGNATURE).write_bytes(sign(student, names - UNSIGNED, SigningKey(private)))


def _by_commands(folder: Path) -> None:
    from hubslice.app import run

    before = Path.cwd()
    os.chdir(folder)
    try:
        for command in (
            ("lineage", "index", "teacher", "teacher-b", "--out", "parents.safetensors"),
            ("convert", "teacher", "--to", "onnx", "--out", "graph"),
        ):
            if code := run((*command, *QUIET)):
                raise RuntimeError(f"{command} ended with {code}")
    finally:
        os.chdir(before)


if __name__ == "__main__":
    made = Path(sys.argv[1])
    made.mkdir()
    make(made)
