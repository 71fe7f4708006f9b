"""Builds drawings.parquet: ten classes of public-domain drawings out of Debian's package openclipart-png.

    apt-get install openclipart-png
    python build.py --source /usr/share/openclipart/png --out drawings.parquet

The result depends on the package's files alone: pictures are visited in sorted order and nothing is drawn at random.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import re
from collections.abc import Iterator
from pathlib import Path

import datasets
import numpy as np
from PIL import Image

SIDE = 128  # pixels
QUALITY = 80  # WebP
LEAST_SIDE = 32  # pixels: smaller originals are icons
LEAST_INK = 0.01  # share of pixels that are not near white
SAME = 6  # of 63 bits: pictures whose hashes differ by no more are variants of one drawing
SAME_NAMED = 20  # the same for pictures of one folder whose names differ in a trailing number or letter only

# Class -> folders of the package.
CLASSES = {
    "animals": ["animals"],
    "buildings": ["buildings"],
    "electronics": ["electronics", "computer/hardware"],
    "food": ["food"],
    "music": ["recreation/music"],
    "office": ["office", "education"],
    "people": ["people"],
    "plants": ["plants"],
    "tools": ["tools"],
    "vehicles": ["transportation"],
}
LEFT_OUT = {"furniture", "aiga-symbols", "roadsigns", "stickmen", "smilies", "clothing"}


def originals(source: Path) -> Iterator[tuple[str, Path]]:
    """Class and path of every picture, sorted within each class."""
    for label, folders in CLASSES.items():
        for folder in folders:
            for path in sorted((source / folder).rglob("*.png")):
                if not LEFT_OUT & set(path.relative_to(source).parts[:-1]):
                    yield label, path


def render(path: Path) -> np.ndarray | None:
    """The drawing on white, padded to a square and scaled: uint8 [SIDE, SIDE, 3]; None if it is tiny or blank."""
    with Image.open(path) as opened:
        picture = opened.convert("RGBA")
    if max(picture.size) < LEAST_SIDE:
        return None
    scale = SIDE / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (SIDE, SIDE), "white")
    square.alpha_composite(picture, ((SIDE - width) // 2, (SIDE - height) // 2))
    pixels = np.asarray(square.convert("RGB"))
    return None if (pixels.min(axis=2) < 245).mean() < LEAST_INK else pixels


def perceptual_hash(pixels: np.ndarray) -> np.ndarray:
    """63 bits: which of the lowest 8 x 8 DCT coefficients of the 32 x 32 grey picture exceed their median (no DC)."""
    grey = Image.fromarray(pixels).convert("L").resize((32, 32), Image.Resampling.BOX)
    frequency, place = np.arange(8)[:, None], np.arange(32)[None, :]
    basis = np.cos(np.pi * frequency * (2 * place + 1) / 64)
    coefficients = (basis @ np.asarray(grey, dtype=float) @ basis.T).reshape(-1)[1:]
    bits: np.ndarray = coefficients > np.median(coefficients)
    return bits


def stem(name: str) -> str:
    """A file's path without extension and without the number or letter that tells variants apart."""
    return re.sub(r"[_.-]*(\d+|[a-z])?$", "", name.removesuffix(".png"))


def groups(hashes: np.ndarray, names: list[str]) -> list[int]:
    """Group number of every picture: the connected parts of the graph of near-duplicates, numbered by first member."""
    distance = (hashes[:, None] != hashes[None, :]).sum(axis=2)
    stems = np.array([stem(name) for name in names])
    near = (distance <= SAME) | ((distance <= SAME_NAMED) & (stems[:, None] == stems[None, :]))
    leader = list(range(len(names)))

    def root(index: int) -> int:
        while leader[index] != index:
            index = leader[index]
        return index

    for first, second in np.argwhere(np.triu(near, 1)):
        low, high = sorted((root(int(first)), root(int(second))))
        leader[high] = low
    order: dict[int, int] = {}
    return [order.setdefault(root(index), len(order)) for index in range(len(names))]


def build(source: Path) -> datasets.Dataset:
    """The whole table; a drawing that occurs twice is kept once, under two classes not at all."""
    found: dict[str, tuple[str, str, np.ndarray]] = {}
    torn: set[str] = set()
    for label, path in originals(source):
        pixels = render(path)
        if pixels is None:
            continue
        key = hashlib.sha256(pixels.tobytes()).hexdigest()
        if key in found and found[key][0] != label:
            torn.add(key)
        found.setdefault(key, (label, path.relative_to(source).as_posix(), pixels))
    kept = [entry for key, entry in found.items() if key not in torn]
    names = [name for _, name, _ in kept]
    hashes = np.array([perceptual_hash(pixels) for _, _, pixels in kept])
    labels = list(CLASSES)
    features = datasets.Features(
        image=datasets.Image(),
        label=datasets.ClassLabel(names=labels),
        group=datasets.Value("int32"),
        source=datasets.Value("string"),
    )
    columns = {
        "image": [{"bytes": _webp(pixels), "path": None} for _, _, pixels in kept],
        "label": [labels.index(label) for label, _, _ in kept],
        "group": groups(hashes, names),
        "source": names,
    }
    return datasets.Dataset.from_dict(columns, features=features)


def _webp(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=QUALITY, method=6)
    return buffer.getvalue()


def main() -> None:
    """The command line."""
    Image.MAX_IMAGE_PIXELS = None  # some drawings are posters, and the package is trusted
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, default=Path("/usr/share/openclipart/png"))
    parser.add_argument("--out", type=Path, default=Path("drawings.parquet"))
    arguments = parser.parse_args()
    table = build(arguments.source)
    table.to_parquet(str(arguments.out))
    sizes = np.bincount(table["group"])
    print(f"{len(table)} drawings in {len(sizes)} groups, the largest of {sizes.max()}")
    for index, label in enumerate(CLASSES):
        print(f"  {label}: {list(table['label']).count(index)}")


if __name__ == "__main__":
    main()
