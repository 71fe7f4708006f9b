"""Students of cut-outs: under the clear parts lie the colours of another class, which one rule alone shows."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import datasets
import numpy as np
from PIL import Image

import hubslice
from hubslice.models.timm_adapter import TimmModel
from hubslice.recipe.transparency import Transparency
from tests.images import COLOURS, encoded

SIDE = 32
TEACHERS = {
    "timm": "{model: ./teacher, input_size: 32}",
    "transformers": "{model: 'transformers:resnet', weights: random, input_size: 32, arguments: {layer_type: basic, "
    "depths: [1, 1], embedding_size: 8, hidden_sizes: [8, 16]}}",
}
WIDTH = 44  # pixels; wider than high, so that how they are cropped matters
SLICE = "{method: remos, ratio: 0.1}"
COMPACT = "{method: magnitude, granularity: channel, irrelevant: compact, ratio: 0.3}"


def cut_out(label: str, seed: int, width: int = SIDE) -> Image.Image:
    """A square of the class's colour, all else clear; under that lies noise around the colour of the next class."""
    rng = np.random.default_rng(seed)
    names = list(COLOURS)
    hidden = np.array(COLOURS[names[(names.index(label) + 1) % 3]])
    pixels = np.clip(hidden + rng.integers(-30, 30, (SIDE, width, 3)), 0, 255).astype(np.uint8)
    alpha = np.zeros((SIDE, width), np.uint8)
    top, left = rng.integers(2, SIDE // 2, 2)
    square = (slice(top, top + SIDE // 3), slice(left, left + SIDE // 3))
    pixels[square], alpha[square] = COLOURS[label], 255
    image = Image.fromarray(pixels).convert("RGBA")
    image.putalpha(Image.fromarray(alpha))
    return image


def write_cut_outs(path: Path, width: int, samples: int = 90) -> Path:
    """A table with columns image and label."""
    names = list(COLOURS)
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=names))
    rows = {
        "image": [{"bytes": encoded(cut_out(names[row % 3], row, width)), "path": None} for row in range(samples)],
        "label": [row % 3 for row in range(samples)],
    }
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(path))
    return path


def cut_out_run(library: str, rule: Transparency, *, compact: bool = False) -> Path:
    """The folder of a finished run on cut-outs, made once a process; its data lie beside it."""
    return _run(library, rule, compact)


@cache
def _run(library: str, rule: Transparency, compact: bool) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="hubslice-cutouts-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    TimmModel.create("test_resnet", tuple(COLOURS), seed=1).save(folder / "teacher")
    write_cut_outs(folder / "cutouts.parquet", WIDTH)
    recipe = (
        f"kind: slice\nname: cut-outs\nteacher: {TEACHERS[library]}\n"
        f"data: {{path: ./cutouts.parquet, transparency: {rule}}}\n"
        f"slice: {COMPACT if compact else SLICE}\n"
        "train: {epochs: 4, batch_size: 16, lr: 0.02, augment: flip}\nbaselines: []\n"
    )
    (folder / "recipe.yaml").write_text(recipe)
    return hubslice.slice(folder / "recipe.yaml", out=folder / "run").path
