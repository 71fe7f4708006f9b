"""Models, data and texts whose every name is nasty, and the pages that are made of them: once for a process."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import datasets
import numpy as np
from safetensors.numpy import save_file

import hubslice
from hubslice.models.timm_adapter import TimmModel
from tests.ancestry.small import nameless, tuned, weights
from tests.deviation.sentences import COUNTED, sentences, write_config, write_counter, write_tokenizer
from tests.faults.nasty import NASTY, PATH, file_name
from tests.images import COLOURS, encoded, square
from tests.networks import lively

LABELS = tuple(NASTY.values())
MODEL, OTHER, IMAGES = f"m{PATH}", f"o{PATH}", f"p{PATH}"
TEXTS, COUNTER = f"t{PATH}.txt", f"g{PATH}"
PARENT, CHILD = f"parent{PATH}", f"child{PATH}"
RECIPE = """\
kind: slice
name: nasty
teacher: {model: ./teacher, input_size: 32}
data: {path: ./nasty.parquet}
train: {epochs: 1, batch_size: 32}
audit:
  defects:
    - {kind: backdoor, target: "<img src=x onerror=alert(1)>"}
gates: {max_dir: 1.0}
"""


@cache
def nasty_run() -> Path:
    """A finished run whose classes have these names."""
    return hubslice.slice(nasty_place() / "recipe.yaml", out=nasty_place() / "run").path


@cache
def nasty_pages() -> tuple[Path, ...]:
    """Every kind of HTML page that hubslice writes, of models, labels, files and texts with these names."""
    place = nasty_place()
    hubslice.explain(place / MODEL, place / IMAGES, out=place / "explained")
    graphs = [place / f"{side}{COUNTER}" / f"{PATH}.onnx" for side in "ab"]
    search = {"budget": 12, "max_edits": 5}  # more would take long: one of the names is
    hubslice.diff(*graphs, place / TEXTS, out=place / "texts", **search)
    return place / "explained/explanation.html", place / "texts/gallery.html"


@cache
def nasty_place() -> Path:
    """A folder with models, images, texts, weights and a recipe."""
    place = Path(tempfile.mkdtemp(prefix="hubslice-nasty-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    for name, seed in ((MODEL, 0), (OTHER, 5)):
        model = TimmModel.create("hubslice_vgg", LABELS, seed=seed, widths=(6, 8), depths=(1, 1))
        model.preprocessing = model.image_preprocessing.model_copy(update={"input_size": (3, 32, 32)})
        lively(model).save(place / name)
    (place / IMAGES).mkdir()
    for at, name in enumerate(NASTY.values()):
        square(list(COLOURS)[at % 3], at).save(place / IMAGES / f"{file_name(name)}.png")
    _write_texts(place)
    _write_weights(place)
    TimmModel.create("test_resnet", LABELS[:3], seed=1).save(place / "teacher")
    _write_table(place / "nasty.parquet")
    (place / "recipe.yaml").write_text(RECIPE)
    return place


def _write_table(path: Path, rows: int = 9) -> None:
    labels = [at % len(LABELS) for at in range(rows * len(LABELS))]
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=list(LABELS)))
    images = [{"bytes": encoded(square(list(COLOURS)[at % 3], at)), "path": None} for at in range(len(labels))]
    datasets.Dataset.from_dict({"image": images, "label": labels}, features=features).to_parquet(str(path))


def _write_texts(place: Path) -> None:
    names = [*NASTY.values()]
    moods = names[names.index(NASTY["html"]) :][:3]
    for folder, table in ((f"a{COUNTER}", COUNTED), (f"b{COUNTER}", COUNTED + np.array([0, 0.02, 0], np.float32))):
        write_tokenizer(place / folder)
        write_config(place / folder, (moods[0], moods[1], NASTY["colour"]))
        write_counter(place / folder / f"{PATH}.onnx", table)
    lines = [f"{name} {words}" for name, words in zip(names, sentences(len(names), seed=4), strict=True)]
    kept = [" ".join(line.replace("\x85", " ").replace("\0", "").splitlines()) for line in lines]  # no NUL in texts
    (place / TEXTS).write_text("\n".join(kept) + "\n", encoding="utf-8", errors="surrogateescape")


def _write_weights(place: Path) -> None:
    """A parent and its child, whose tensors are called as strangers like."""
    names = [name for name in NASTY.values() if name]
    for folder, arrays in ((PARENT, weights(0)), (CHILD, nameless(tuned(weights(0), 1), 2))):
        (place / folder).mkdir()
        called = {f"{names[at % len(names)]}.{at}.weight": array for at, array in enumerate(arrays.values())}
        save_file(called, place / folder / "model.safetensors")
        (place / folder / "config.json").write_text('{"architecture": "hubslice_vgg"}')
