"""Small labelled images that a tiny model can learn: coloured shapes on noise."""

from __future__ import annotations

import io
from pathlib import Path

import datasets
import numpy as np
from PIL import Image

COLOURS = {"blue": (40, 60, 220), "green": (40, 200, 60), "red": (220, 50, 40)}


def square(label: str, seed: int, side: int = 40) -> Image.Image:
    """A bright square of the class's colour somewhere on grey noise."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(90, 160, (side, side, 3)).astype(np.uint8)
    top, left = rng.integers(2, side // 2, 2)
    pixels[top : top + side // 3, left : left + side // 3] = COLOURS[label]
    return Image.fromarray(pixels)


def write_parquet(path: Path, samples: int = 90) -> Path:
    """A table with columns image, label and group; two neighbouring rows of a class share a group."""
    names = list(COLOURS)
    rows = [(index % 3, index // 6, square(names[index % 3], index)) for index in range(samples)]
    features = datasets.Features(
        image=datasets.Image(), label=datasets.ClassLabel(names=names), group=datasets.Value("int32")
    )
    table = datasets.Dataset.from_dict(
        {
            "image": [{"bytes": encoded(image), "path": None} for _, _, image in rows],
            "label": [label for label, _, _ in rows],
            "group": [group * 3 + label for label, group, _ in rows],
        },
        features=features,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(str(path))
    return path


def write_folder(path: Path, samples: int = 30) -> Path:
    """The same images as an image folder: class/number.png."""
    for index in range(samples):
        label = list(COLOURS)[index % 3]
        (path / label).mkdir(parents=True, exist_ok=True)
        square(label, index).save(path / label / f"{index}.png")
    return path


def encoded(image: Image.Image) -> bytes:
    """The image as the bytes of a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
