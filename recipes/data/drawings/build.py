"""Build `drawings.parquet`: ten classes of public-domain drawings out of Debian's package openclipart-png.

    apt-get install openclipart-png
    python build.py --source /usr/share/openclipart/png --out drawings.parquet

The same source files and library versions give the same bytes. What is kept, how images are grouped and what the
columns mean is told in the README beside this file.
"""

import argparse
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from datasets import ClassLabel, Dataset, Features, Image, Value
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageChops

CLASSES: dict[str, tuple[str, ...]] = {
    "animals": ("animals",),
    "buildings": ("buildings",),
    "electronics": ("electronics", "computer/hardware"),
    "food": ("food",),
    "music": ("recreation/music",),
    "office": ("office", "education"),
    "people": ("people",),
    "plants": ("plants",),
    "tools": ("tools",),
    "vehicles": ("transportation",),
}
LEFT_OUT = (
    "buildings/furniture",
    "people/clothing",
    "people/smilies",
    "people/stickmen",
    "transportation/aiga-symbols",
    "transportation/roadsigns",
)
# Drawings that link to an image which the package does not have: they show "Linked Image Not Found".
BROKEN = (
    "animals/birds/duck_yellow_ii_kurt_cagl_.png",
    "animals/birds/pollo_architetto_frances_01.png",
    *(f"people/stylized_yoga_person_ger_0{number}.png" for number in range(1, 7)),
)
SIDE = 128
MIN_SIDE = 48
WEBP_QUALITY = 80
NEAR = 22
BLACK_AND_WHITE = re.compile(r"_(?:bw|b_amp_w)(?:_|$)")


@dataclass(frozen=True)
class Drawing:
    """One kept image: its label, its path below the source folder and its pixels `[SIDE, SIDE, 3]` as WebP bytes."""

    label: str
    source: str
    webp: bytes

    def pixels(self) -> NDArray[np.uint8]:
        """What a reader of the file sees: the decoded image `[SIDE, SIDE, 3]`."""
        with Pillow.open(BytesIO(self.webp)) as image:
            return np.asarray(image.convert("RGB"))


def files(source: Path) -> Iterator[tuple[str | None, Path]]:
    """Pairs (label, file) of all classes, sorted by path; the label is None in the folders that are left out."""
    left_out = [source / folder for folder in LEFT_OUT]
    for label, folders in CLASSES.items():
        for path in sorted(path for folder in folders for path in (source / folder).rglob("*.png")):
            yield (None if any(path.is_relative_to(folder) for folder in left_out) else label), path


def render(path: Path) -> Pillow.Image | None:
    """The drawing on white, cut to its ink and padded to a square of `SIDE` pixels; None if it is blank or tiny."""
    with Pillow.open(path) as file:
        image = file.convert("RGBA")
    if max(image.size) > 2048:  # one drawing has 169 million pixels
        image = image.reduce(max(image.size) // 1024)
    page = Pillow.new("RGBA", image.size, "white")
    page.alpha_composite(image)
    page = page.convert("RGB")
    # Many drawings are stamps in the middle of an A4 page: without the cut they would be a few pixels wide.
    box = ImageChops.invert(page).convert("L").point(lambda darkness: 255 * (darkness > 8)).getbbox()
    if box is None or max(box[2] - box[0], box[3] - box[1]) < MIN_SIDE:
        return None
    page = page.crop(box)
    side = max(page.size)
    square = Pillow.new("RGB", (side, side), "white")
    square.paste(page, ((side - page.width) // 2, (side - page.height) // 2))
    return square.resize((SIDE, SIDE), Pillow.Resampling.LANCZOS)


def collect(source: Path) -> list[Drawing]:
    """All drawings that are neither blank, tiny, broken nor ambiguous, one of each, sorted by label and path."""
    found: dict[bytes, list[tuple[str | None, str]]] = defaultdict(list)
    for label, path in files(source):
        name = path.relative_to(source).as_posix()
        if name not in BROKEN and (image := render(path)) is not None:
            found[image.tobytes()].append((label, name))
    drawings = []
    for pixels, places in found.items():
        label, name = places[0]
        # Filed in two classes, or also in a folder that is left out (most road signs): no single label is right.
        if label is None or len({label for label, _ in places}) > 1:
            continue
        webp = BytesIO()
        Pillow.frombytes("RGB", (SIDE, SIDE), pixels).save(webp, "WEBP", quality=WEBP_QUALITY, method=6)
        drawings.append(Drawing(label, name, webp.getvalue()))
    return sorted(drawings, key=lambda drawing: (drawing.label, drawing.source))


def dct_bits(plane: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The 64-bit DCT hash of one plane `[H, W]`: which of its 8 x 8 lowest frequencies lie above their median.

    The plane is averaged down to 32 x 32 first. The constant term is no part of the median and gives the bit 0, so
    brightness does not count.
    """
    small = np.asarray(Pillow.fromarray(plane).resize((32, 32), Pillow.Resampling.BOX), dtype=np.float64)
    basis = np.cos(np.pi * np.arange(8)[:, None] * (2 * np.arange(32)[None, :] + 1) / 64)
    waves = (basis @ small @ basis.T).ravel()[1:]
    return np.concatenate([[False], waves > np.median(waves)])


def image_hash(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The hash `[128]` of an image `[H, W, 3]`: 64 bits of its luminance, then 64 bits of its silhouette.

    The silhouette is all that is not white. It stays the same in another colour, where the luminance may not.
    """
    luminance = np.asarray(Pillow.fromarray(pixels).convert("L"))
    silhouette = np.where(pixels.min(axis=2) < 231, 255, 0).astype(np.uint8)
    return np.concatenate([dct_bits(luminance), dct_bits(silhouette)])


def near_pairs(hashes: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Index pairs (i < j) of the hashes `[N, 128]` that differ in at most `NEAR` bits."""
    bits = hashes.astype(np.int32)
    distance = bits @ (1 - bits).T
    first, second = np.nonzero(np.triu(distance + distance.T <= NEAR, k=1))
    return list(zip(first.tolist(), second.tolist(), strict=True))


def series(name: str) -> str:
    """A file name without numbers, words of one or two letters and "bw": `cone2_bw_ganson_01a` gives `cone_ganson`."""
    words = (word.rstrip("0123456789") for word in re.split(r"[\W_]+", BLACK_AND_WHITE.sub("_", name.lower())))
    return "_".join(word for word in words if len(word) > 2 and not word[0].isdigit())


def name_pairs(drawings: list[Drawing]) -> list[tuple[int, int]]:
    """Index pairs of drawings of one class whose names say that they are one series or one motif in two colourings."""
    members: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, drawing in enumerate(drawings):
        if name := series(Path(drawing.source).stem):
            members[drawing.label, name].append(index)
    pairs = [(group[0], other) for group in members.values() for other in group[1:]]
    for (label, name), group in members.items():
        motif, *rest = BLACK_AND_WHITE.split(Path(drawings[group[0]].source).stem.lower(), maxsplit=1)
        # `fries_bw` belongs to `fries_ganson`; `apple_bw` has found `apple` above and leaves `apple_core` alone.
        if rest and len(group) == 1:
            beginning = f"{series(motif)}_"
            pairs += [
                (group[0], found[0])
                for (other, longer), found in members.items()
                if other == label and longer != name and f"{longer}_".startswith(beginning)
            ]
    return pairs


def components(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """The group number of each of `count` items when the pairs are joined (union-find), numbered by first member."""
    parent = list(range(count))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = item = parent[parent[item]]
        return item

    for first, second in pairs:
        parent[root(second)] = root(first)
    numbers: dict[int, int] = {}
    return [numbers.setdefault(root(item), len(numbers)) for item in range(count)]


def build(source: Path) -> Dataset:
    """The data set with the columns image, label, group and source, one row a drawing."""
    drawings = collect(source)
    hashes = np.stack([image_hash(drawing.pixels()) for drawing in drawings])
    columns = {
        "image": [{"bytes": drawing.webp, "path": Path(drawing.source).stem + ".webp"} for drawing in drawings],
        "label": [drawing.label for drawing in drawings],
        "group": components(len(drawings), near_pairs(hashes) + name_pairs(drawings)),
        "source": [drawing.source for drawing in drawings],
    }
    features = Features(
        image=Image(), label=ClassLabel(names=list(CLASSES)), group=Value("int32"), source=Value("string")
    )
    return Dataset.from_dict(columns, features=features)


def preview(dataset: Dataset, columns: int = 14, side: int = 64) -> Pillow.Image:
    """A contact sheet with one row a class: `columns` images of different groups, spread evenly over the class."""
    names = dataset.features["label"].names
    sheet = Pillow.new("RGB", (columns * side, len(names) * side), "white")
    labels, groups = dataset["label"], dataset["group"]
    for row in range(len(names)):
        firsts = list(
            {groups[index]: index for index in reversed(range(len(dataset))) if labels[index] == row}.values()
        )
        firsts.sort()
        for column in range(columns):
            image = dataset[firsts[column * len(firsts) // columns]]["image"]
            sheet.paste(image.resize((side, side), Pillow.Resampling.LANCZOS), (column * side, row * side))
    return sheet


def main() -> None:
    """Write the parquet file and print the counts of each class."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, default=Path("/usr/share/openclipart/png"))
    parser.add_argument("--out", type=Path, default=Path("drawings.parquet"))
    parser.add_argument("--preview", type=Path, help="write a contact sheet here")
    arguments = parser.parse_args()
    if not arguments.source.is_dir():
        parser.error(f"{arguments.source} is no folder; `apt-get install openclipart-png` makes it")
    # The files are trusted; Pillow's guard is against images of strangers.
    Pillow.MAX_IMAGE_PIXELS = None
    dataset = build(arguments.source)
    dataset.to_parquet(arguments.out)
    if arguments.preview:
        preview(dataset).save(arguments.preview, quality=WEBP_QUALITY)
    images = Counter(dataset["label"])
    groups = Counter(label for label, _ in set(zip(dataset["label"], dataset["group"], strict=True)))
    for index, name in enumerate(dataset.features["label"].names):
        print(f"{name:12} {images[index]:5} images {groups[index]:5} groups")
    total = f"{len(dataset):5} images {len(set(dataset['group'])):5} groups"
    print(f"{'all':12} {total}  {arguments.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
