"""python -m bench.reuse.data: Fashion-MNIST from the idx files of Debian's package dataset-fashion-mnist.

Writes train.parquet and test.parquet, images as PNG with the names of their classes, into runs/bench/reuse/fashion: a
folder that a recipe takes as `data.path`, with the splits of `zalando-datasets/fashion_mnist` on the Hub.
"""

from __future__ import annotations

import argparse
import gzip
import io
from pathlib import Path

import datasets
import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
SOURCE = Path("/usr/share/datasets/fashion-mnist")
TARGET = ROOT / "runs" / "bench" / "reuse" / "fashion"
FILES = {"train": "train", "test": "t10k"}
LABELS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def main() -> None:
    """Parse the arguments and write what is missing."""
    parser = argparse.ArgumentParser(prog="python -m bench.reuse.data", description=__doc__)
    parser.add_argument("--source", type=Path, default=SOURCE, help=f"folder of the idx files; default: {SOURCE}")
    parser.add_argument("--out", type=Path, default=TARGET, help="folder to write")
    given = parser.parse_args()
    print(write_fashion(given.source, given.out))


def write_fashion(source: Path = SOURCE, target: Path = TARGET) -> Path:
    """The folder with train.parquet and test.parquet; what is there is left as it is.

    Raises:
        SystemExit: the idx files are not installed.
    """
    if not source.is_dir():
        raise SystemExit(
            f"{source} is missing: apt install dataset-fashion-mnist, or name another folder with --source"
        )
    target.mkdir(parents=True, exist_ok=True)
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=list(LABELS)))
    for split, prefix in FILES.items():
        path = target / f"{split}.parquet"
        if path.is_file():
            continue
        images = read_idx(source / f"{prefix}-images-idx3-ubyte.gz")
        labels = read_idx(source / f"{prefix}-labels-idx1-ubyte.gz")
        rows = {"image": [{"bytes": _png(each), "path": None} for each in images], "label": labels.tolist()}
        draft = path.with_suffix(".draft")
        datasets.Dataset.from_dict(rows, features=features).to_parquet(str(draft))
        draft.replace(path)
    return target


def read_idx(path: Path) -> np.ndarray:
    """The array of a gzipped idx file of bytes, uint8: images [N, 28, 28], or labels [N]."""
    with gzip.open(path, "rb") as file:
        content = file.read()
    kind, axes = content[2], content[3]
    if kind != 8:
        raise SystemExit(f"{path} holds no bytes: type {kind}")
    shape = np.frombuffer(content, ">u4", axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape.tolist())


def _png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


if __name__ == "__main__":
    main()
