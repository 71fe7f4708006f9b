"""Models that are damaged, hostile or absurd: told in a sentence, before they cost anything."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from safetensors.numpy import load_file, save_file
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

from hubslice.models.timm_adapter import TimmModel
from tests.faults import odd_models
from tests.faults.conftest import Refused

LABELS = ("cat", "dog", "owl")
Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound timm model and a sound transformers model, by the names of their libraries."""
    folder = tmp_path_factory.mktemp("good")
    TimmModel.create("test_resnet", LABELS, seed=0).save(folder / "timm")
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=32, patch_size=8
    )
    ViTForImageClassification(config).save_pretrained(folder / "transformers")
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder / "transformers")
    return folder


@pytest.fixture
def model(good: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of one of them, to be damaged."""
    return lambda library: Path(shutil.copytree(good / library, tmp_path / "model"))


@pytest.fixture
def pull(refused: Refused, tmp_path: Path) -> Callable[..., None]:
    """Pulls the damaged model: told as it must be, nothing finished, the model as it was."""

    def call(*says: str, code: int = 2, allow_pickle: bool = False) -> None:
        folder, out = tmp_path / "model", tmp_path / "out"
        before = contents(folder)
        options = ("--allow-pickle",) if allow_pickle else ()
        refused("pull", str(folder), "--out", str(out), *options, code=code, says=says)
        assert contents(folder) == before
        if code == 2:
            assert not (out / "steps" / "export").exists()
        assert not list(out.rglob("*.onnx"))

    return call


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def rewrite(folder: Path, header: Callable[[dict[str, Any]], object], data: bytes = b"", cut: int = 0) -> None:
    """Change the header of the weights, as JSON or as text; put bytes behind the tensors or cut some off."""
    path = folder / "model.safetensors"
    old = path.read_bytes()
    size = int.from_bytes(old[:8], "little")
    content = json.loads(old[8 : 8 + size])
    result = header(content)
    text = (result if isinstance(result, str) else json.dumps(content)).encode()
    body = old[8 + size :]
    path.write_bytes(len(text).to_bytes(8, "little") + text + body[: len(body) - cut] + data)


def entry(**changes: object) -> Callable[[Path], None]:
    """Change what the header says of the first tensor."""

    def change(folder: Path) -> None:
        def first(header: dict[str, Any]) -> None:
            header[min(name for name in header if name != "__metadata__")].update(changes)

        rewrite(folder, first)

    return change


def raw(content: bytes) -> Change:
    return lambda folder: (folder / "model.safetensors").write_bytes(content)


def moved(by: int) -> Change:
    """Move the tensor that lies second by so many bytes."""

    def change(folder: Path) -> None:
        def second(header: dict[str, Any]) -> None:
            tensors = [about for name, about in header.items() if name != "__metadata__"]
            offsets = sorted((about["data_offsets"] for about in tensors), key=lambda pair: pair[0])[1]
            offsets[:] = [offset + by for offset in offsets]

        rewrite(folder, second)

    return change


DAMAGE: dict[str, tuple[Change, str]] = {
    "empty": (raw(b""), "its header should take 0 bytes, but the file has 0"),
    "truncated": (lambda f: rewrite(f, lambda h: None, cut=10), "but the file holds"),
    "longer": (lambda f: rewrite(f, lambda h: None, data=b"tail"), "but the file holds"),
    "length of an exabyte": (raw((2**60).to_bytes(8, "little") + b"{}"), "should take 1152921504606846976 bytes"),
    "header beyond the file": (raw((100).to_bytes(8, "little") + b"{}"), "should take 100 bytes, but the file has 10"),
    "not JSON": (lambda f: rewrite(f, lambda h: "{nonsense"), "its header is not JSON"),
    "nested": (lambda f: rewrite(f, lambda h: "[" * 200_000), "its header is not JSON (RecursionError)"),
    "a list": (lambda f: rewrite(f, lambda h: "[]"), "its header is not a JSON object"),
    "offsets beyond": (entry(data_offsets=[2**40, 2**40 + 4]), "its offsets span 4"),
    "offsets backwards": (entry(data_offsets=[8, 4]), "its offsets span -4"),
    "offsets negative": (entry(data_offsets=[-8, 4]), "has impossible offsets [-8, 4]"),
    "overlap": (moved(-4), "overlaps the one before it"),
    "gap": (moved(4), "leaves a gap before it"),
    "negative shape": (entry(shape=[-1, 2]), "has the impossible shape [-1, 2]"),
    "overflowing shape": (entry(shape=[2**62, 4, 4]), "needs 295147905179352825856 bytes"),
    "number as shape": (entry(shape=2.5), "has the impossible shape 2.5"),
    "many axes": (entry(shape=[1] * 100), "has the impossible shape [1, 1, 1"),
    "unknown dtype": (entry(dtype="F13"), "has the unknown dtype 'F13'"),
    "a field missing": (lambda f: rewrite(f, lambda h: '{"a": {"dtype": "F32"}}'), "does not say dtype, shape and"),
    "twice": (lambda f: rewrite(f, lambda h: '{"a": 1, "a": 2}'), "names 'a' twice"),
    "metadata": (
        lambda f: rewrite(f, lambda h: h.update(__metadata__={"format": 1})),
        "metadata is not a table of text",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_weights(name: str, model: Callable[[str], Path], pull: Callable[..., None]) -> None:
    change, says = DAMAGE[name]
    change(model("timm"))
    pull("model.safetensors is damaged or not safetensors", says, "hint: save or download the weights again")


def tensors(change: Callable[[dict[str, np.ndarray]], object]) -> Change:
    def apply(folder: Path) -> None:
        held = load_file(folder / "model.safetensors")
        change(held)
        save_file(held, folder / "model.safetensors", {"format": "pt"})

    return apply


def put(name: str, index: object, value: float) -> Change:
    def change(held: dict[str, np.ndarray]) -> None:
        held[name] = held[name].copy()
        held[name][index] = value

    return tensors(change)


MISFITS: dict[str, tuple[str, Change, tuple[str, ...]]] = {
    "missing": (
        "timm",
        tensors(lambda held: [held.pop(name) for name in sorted(held)[:5]]),
        ("are not those of test_resnet: 5 tensors missing (bn1.bias", "and 2 more)"),
    ),
    "unexpected": (
        "timm",
        tensors(lambda held: held.update(extra=np.ones(2, np.float32))),
        ("1 tensor unexpected (extra)", "hint: config.json and model.safetensors do not belong together"),
    ),
    "of another shape": (
        "timm",
        tensors(lambda held: held.update({"fc.bias": np.ones(7, np.float32)})),
        ("1 tensor of another shape (fc.bias is [7] instead of [3])",),
    ),
    "missing, transformers": (
        "transformers",
        tensors(lambda held: [held.pop("classifier.bias"), held.pop("vit.layernorm.weight")]),
        ("not those of ViTForImageClassification: 2 tensors missing (classifier.bias, vit.layernorm.weight)",),
    ),
    "of another shape, transformers": (
        "transformers",
        tensors(lambda held: held.update({"classifier.bias": np.ones(7, np.float32)})),
        ("1 tensor of another shape (classifier.bias is [7] instead of [2])", "hint: the upload is incomplete"),
    ),
    "NaN": (
        "timm",
        put("fc.weight", (0, slice(0, 3)), np.nan),
        ("1 tensor of", "hold values that are not finite numbers (fc.weight: 3 NaN and 0 infinite of", "diverged"),
    ),
    "infinite": (
        "transformers",
        put("classifier.weight", (0, 0), np.inf),
        ("(classifier.weight: 0 NaN and 1 infinite of 64)",),
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_weights_that_do_not_fit(name: str, model: Callable[[str], Path], pull: Callable[..., None]) -> None:
    library, change, says = MISFITS[name]
    change(model(library))
    pull(*says)


def config(**changes: object) -> Change:
    def apply(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return apply


def nested(key: str, **changes: object) -> Change:
    def apply(folder: Path) -> None:
        path = folder / "config.json"
        content = json.loads(path.read_text())
        content[key] = content.get(key, {}) | changes
        path.write_text(json.dumps(content))

    return apply


def text(content: str, name: str = "config.json") -> Change:
    return lambda folder: (folder / name).write_text(content)


CODE = "hubslice runs no code from model repositories"
CONFIGS: dict[str, tuple[str, Change, tuple[str, ...]]] = {
    "not JSON": ("timm", text("{"), ("config.json is not JSON", "hint: mend the file")),
    "a list": ("timm", text("[1]"), ("config.json is not a JSON object",)),
    "nested": ("timm", text("[" * 100_000), ("config.json is not JSON",)),
    "not text": ("timm", lambda f: (f / "config.json").write_bytes(b"\xff\xfe\x00"), ("config.json is not JSON",)),
    "huge": ("timm", lambda f: os.truncate(f / "config.json", 1 << 26), ("67108864 bytes, more than a configuration",)),
    "no architecture": ("timm", text("{}"), ("names no architecture of timm or transformers",)),
    "unknown to timm": (
        "timm",
        config(architecture="resnet_of_tomorrow"),
        ("timm has no architecture", "upgrade timm"),
    ),
    "architecture a list": ("timm", config(architecture=["x"]), ("has architecture: ['x']; it must be a text",)),
    "unknown to transformers": (
        "transformers",
        config(model_type="vit_of_tomorrow"),
        ("transformers cannot load", "vit_of_tomorrow", "upgrade"),
    ),
    "code": (
        "transformers",
        config(auto_map={"AutoModel": "modeling.X"}),
        ("asks for code of its own (auto_map)", CODE),
    ),
    "code in a part": ("transformers", config(sub={"auto_map": {"A": "m.X"}}), ("(auto_map)", CODE)),
    "trust": ("transformers", config(trust_remote_code=True), ("(trust_remote_code)", CODE)),
    "code of the processor": (
        "transformers",
        text('{"auto_map": {"A": "m.X"}}', "preprocessor_config.json"),
        ("preprocessor_config.json", CODE),
    ),
    "classes": ("timm", config(num_classes=10**12), ("num_classes: 1000000000000, which no model can have",)),
    "classes as text": ("timm", config(num_classes="1000000000000"), ("num_classes: '1000000000000'; it must be",)),
    "some classes": (
        "timm",
        config(num_classes=900_000),
        ("config.json describes a model of more than", "do not belong"),
    ),
    "labels": ("transformers", config(num_labels=10**12), ("num_labels: 1000000000000, which no model",)),
    "layers": ("transformers", config(num_hidden_layers=10**9), ("num_hidden_layers: 1000000000, which no model",)),
    "many layers": (
        "transformers",
        config(num_hidden_layers=10**6),
        ("describes a model of more than", "values of its weights allow"),
    ),
    "width": ("transformers", config(hidden_size=10**7), ("describes a model of more than",)),
    "no size": (
        "transformers",
        config(image_size=-1),
        ("are not those of ViTForImageClassification: 1 tensor of another shape",),
    ),
    "large size": ("transformers", config(image_size=10**7), ("describes a model of more than",)),
    "large image": (
        "timm",
        nested("pretrained_cfg", input_size=[3, 10**6, 10**6]),
        ("input_size.1 1000000: Input should be less",),
    ),
    "no deviation": ("timm", nested("pretrained_cfg", std=[0, 0, 0]), ("std.0 0: Input should be greater than 0",)),
    "two means": ("timm", nested("pretrained_cfg", mean=[0.1, 0.2]), ("2 means or deviations for 3 channels",)),
    "no crop": ("timm", nested("pretrained_cfg", crop_pct=-1), ("crop_pct -1: Input should be",)),
    "unknown resampling": ("timm", nested("pretrained_cfg", interpolation="magic"), ("interpolation magic:",)),
    "lax loading": ("timm", nested("model_args", pretrained_strict=False), ("the argument 'pretrained_strict'",)),
    "lost classifier": (
        "timm",
        nested("model_args", num_classes=5),
        ("a classifier of 3 classes, and model_args ask for 5",),
    ),
    "arguments a list": ("timm", config(model_args=[1]), ("has model_args: [1]; it must be a table",)),
    "image of the processor": (
        "transformers",
        text('{"size": 100000}', "preprocessor_config.json"),
        ('has size: {"height": 100000, "width": 100000}', "takes sides of 1 to 4096 pixels"),
    ),
    "processor nonsense": (
        "transformers",
        text('{"size": "big"}', "preprocessor_config.json"),
        ("transformers cannot make the image processor", "convert size input"),
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_configs(name: str, model: Callable[[str], Path], pull: Callable[..., None]) -> None:
    library, change, says = CONFIGS[name]
    change(model(library))
    before = psutil.Process().memory_info().rss
    pull(*says)
    assert psutil.Process().memory_info().rss - before < 300 << 20


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "code", "says"),
    [
        (odd_models.BRANCHES, 2, ("Odd cannot be exported to ONNX", "hint: its forward branches on the values of")),
        (odd_models.OPERATOR, 2, ("there is no ONNX form of the operator", "bessel_j0", "hint: replace the operator")),
        (odd_models.COMPLEX, 2, ("Odd cannot be exported to ONNX",)),
        (odd_models.RANDOM, 1, ("model.onnx differs from PyTorch by", "random in eval mode cannot pass")),
        (odd_models.OVERFLOW, 2, ("Odd computes values that are not finite numbers",)),
    ],
)
def test_models_that_do_not_export(
    architecture: str, code: int, says: tuple[str, ...], tmp_path: Path, refused: Refused
) -> None:
    TimmModel.create(architecture, LABELS, seed=0).save(tmp_path / "model")
    refused("pull", str(tmp_path / "model"), "--out", str(tmp_path / "out"), code=code, says=says)
    assert not (tmp_path / "out" / "steps" / "export").exists()
