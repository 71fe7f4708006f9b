"""Determine which folders are splits and which are classes, from the paths of a folder's images.

The table in the README lists the rules. File names are never used.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hubslice.core.errors import DataError
from hubslice.core.escaping import named
from hubslice.task.aside import Aside, Reason, number, some, tell
from hubslice.task.labels import in_order, normal
from hubslice.task.split_words import SPELLINGS, mentioned_split_of, numbered_split_of, split_names, split_of

ONLY = "train"  # the split of data without splits, as in `datasets`
IMAGES = frozenset({"image", "images", "img", "imgs", "jpegimages", "input", "inputs"})
MARKS = frozenset({"mask", "masks", "gt", "groundtruth", "annotation", "annotations", "label", "labels"}) | {
    "segmentation",
    "segmentations",
    "segmentationclass",
    "segmentationobject",
    "target",
    "targets",
}
ALLOW = "set data.allow_skipped: true to go on without them"


@dataclass(frozen=True)
class Layout:
    """The top-level folders that are splits, with the splits' names; empty if the top-level folders are classes."""

    splits: dict[str, str]

    def split(self, place: str) -> str | None:
        """Return the split of an image; None if it is in none."""
        return self.splits.get(place.partition("/")[0]) if self.splits else ONLY

    def label(self, place: str) -> str | None:
        """Return the class folder of an image, below its split; None if it is in none."""
        folders = place.split("/")[:-1]
        at = 1 if self.splits else 0
        return normal(folders[at]) if len(folders) > at else None

    def deeper(self, place: str) -> str | None:
        """Return the folder of an image below its class folder, if there is one."""
        folder = place.rpartition("/")[0]
        return folder if folder.count("/") > (1 if self.splits else 0) else None


def layout_of(images: Iterable[str], source: str, metadata: Sequence[str] = ()) -> Layout:
    """Determine the layout: class/image, or split/class/image; with `metadata` files classes are optional.

    Raises:
        DataError: the top-level folders are neither all splits nor all classes, or images are in no folder at all.
    """
    labelled = bool(metadata)
    tables = {place.rpartition("/")[0] for place in metadata}
    below: dict[str, list[int]] = {}  # number of images in each top-level folder and its subfolders
    for place in images:
        top, slash, rest = place.partition("/")
        if slash:
            below.setdefault(top, [0, 0])["/" in rest] += 1
    around = {top for top, (direct, deeper) in below.items() if deeper > direct}
    words = sorted(top for top in below if split_of(top))
    others = sorted(set(below) - set(words))
    _check_mentioned(around, source)
    if not below and not labelled:
        raise DataError(
            f"{source} holds images and no class folders, so that they have no class",
            hint="put them into folders, class/image.png, or add metadata.csv with the columns file_name and label",
        )
    if not labelled and not any(deeper for _, deeper in below.values()) and _are_splits(below):
        raise DataError(
            f"{source} holds images in {some([f'{top}/' for top in sorted(below)])}, called like splits, and no class "
            "folders in there",
            hint="put the images into split/class/image.png, or add metadata.csv with the columns file_name and label",
        )
    if words and not others:
        return Layout(split_names(words, source))
    splits = [top for top in words if top in tables or top in around]
    if others and any(split_of(top) == "train" for top in splits):
        odd = some([f"{top}/" for top in others])
        raise DataError(
            f"{source} holds {some([f'{top}/' for top in splits])}, called like splits, and beside them {odd}, which "
            "are not",
            hint=f"splits are called {_spellings()}: rename or move the others. If all of them are classes, put their "
            "images directly into the class folders",
        )
    if not labelled and not words and len(others) == 1 and others[0] in around:
        raise DataError(
            f"all images of {source} lie in folders of one folder, {named(others[0])}/, which would be the only class",
            hint=f"if its folders are the classes or splits, set data.path to {source.rstrip('/')}/{named(others[0])}",
        )
    return Layout({})


def classes_of(
    images: Iterable[str], folders: Iterable[str], layout: Layout, source: str, aside: Aside, *, allowed: bool
) -> dict[str, list[tuple[str, str]]]:
    """Return every image with its class, by split, in the order of the images.

    Images in no class are left out and recorded in `aside`.

    Raises:
        DataError: a class or split has no images, which is not `allowed`, or the splits are in the class folders, or
            the folders look like images and their segmentation masks.
    """
    rows: dict[str, list[tuple[str, str]]] = {name: [] for name in layout.splits.values()} or {ONLY: []}
    deeper: dict[str, int] = defaultdict(int)
    for place in images:
        label = layout.label(place)
        if label is None:
            aside.add(Reason.BESIDE, place)
            continue
        rows[layout.split(place) or ONLY].append((place, label))
        folder = layout.deeper(place)
        if folder is not None:
            deeper[folder] += 1
    _check_deeper(deeper, layout, source)
    _check_marks({label for found in rows.values() for _, label in found}, source)
    _check_empty(rows, folders, layout, source, aside, allowed)
    return {split: found for split, found in rows.items() if found}


def order(rows: dict[str, list[tuple[str, str]]]) -> tuple[str, ...]:
    """Return the sorted classes of all splits."""
    return in_order(label for found in rows.values() for _, label in found)


def tell_splits(layout: Layout, source: str) -> None:
    """Inform the user which folders are splits if their names differ from the splits' names."""
    told = [f"{named(folder)}/ is {name}" for folder, name in layout.splits.items() if folder != name]
    if told:
        tell(f"{source}: its folders are splits: {', '.join(told)}")


def _check_mentioned(around: Iterable[str], source: str) -> None:
    """Refuse parent folders whose names only contain a split's, as `01_train` and `02_val`: they would be classes."""
    alike: dict[str, dict[str, str]] = defaultdict(dict)  # splits by the rest of the name
    for top in sorted(around):
        split, rest = mentioned_split_of(top)
        if split is not None:
            alike[rest][top] = split
    for mentioned in alike.values():
        odd = [top for top in mentioned if split_of(top) is None]
        if odd and len(set(mentioned.values())) > 1:
            raise DataError(
                f"the folders {some([f'{top}/' for top in mentioned])} of {source} hold folders of images and mention "
                "splits; as they are called they would be the classes",
                hint=f"if they are splits, call them so: {named(odd[0])}/ would be {mentioned[odd[0]]}/. If they are "
                "classes, put their images directly into them",
            )


def _are_splits(tops: Iterable[str]) -> bool:
    """Return whether these folders with images are more likely splits than classes: `train`, `test1`."""
    splits = {numbered_split_of(top) for top in tops}
    return None not in splits and (len(splits) > 1 or all(split_of(top) for top in tops))


def _check_deeper(deeper: dict[str, int], layout: Layout, source: str) -> None:
    if not deeper:
        return
    at = 2 if layout.splits else 1
    below = {folder.split("/")[at] for folder in deeper}
    splits = {split_of(name) for name in below} - {None}
    if len(splits) > 1:
        raise DataError(
            f"the class folders of {source} hold splits ({some(sorted(deeper))}), which would be mixed",
            hint="put the splits first: train/class/image.png",
        )
    images = number(sum(deeper.values()), "image lies", "images lie")
    nested = number(len(deeper), "nested folder", "nested folders")
    tell(f"{source}: {images} in {nested} ({some(sorted(deeper))}), whose class is that of the folder above them")


def _check_marks(classes: set[str], source: str) -> None:
    """Refuse folders of segmentation data, `images` and `masks`, which would be classes."""
    plain = {re.sub(r"[\W_]", "", label.casefold()) for label in classes}
    if plain <= IMAGES | MARKS and plain & IMAGES and plain & MARKS:
        raise DataError(
            f"{source} holds {some([f'{label}/' for label in in_order(classes)])}: images and what is marked in them, "
            "which would be the classes",
            hint="put each class's images into a folder of its name, or name them in metadata.csv with the columns "
            "file_name and label",
        )


def _check_empty(
    rows: dict[str, list[tuple[str, str]]],
    folders: Iterable[str],
    layout: Layout,
    source: str,
    aside: Aside,
    allowed: bool,
) -> None:
    """Check that every class or split folder has images."""
    full = {(split, label) for split, found in rows.items() for _, label in found}
    splits = {split for split, _ in full}
    empty = [place for place in folders if _is_unit(place, layout) and not _holds(place, layout, full, splits)]
    runs = aside.of(Reason.RUN)  # their folder is not a class
    empty = [place for place in empty if not any(run.startswith(f"{place}/") for run in runs)]
    if empty:
        what = f"{number(len(empty), 'folder has', 'folders have')} no image of a class: {some(empty, 5)}"
        unread = [place for place in aside.of(Reason.UNKNOWN) if any(place.startswith(f"{each}/") for each in empty)]
        more = f"; Pillow does not read {some(unread)}" if unread else ""
        if not allowed:
            raise DataError(
                f"in {source}, {what}{more}", hint=f"remove what is no class or split, convert the images, or {ALLOW}"
            )
        tell(f"{source}: {what}{more}")
    _tell_absent(full, splits, source)


def _is_unit(place: str, layout: Layout) -> bool:
    """Return whether the folder is at the level of a split or a class."""
    top, *below = place.split("/")
    return not below or (len(below) == 1 and top in layout.splits)


def _holds(place: str, layout: Layout, full: set[tuple[str, str]], splits: set[str]) -> bool:
    top, _, below = place.partition("/")
    if not layout.splits:
        return (ONLY, normal(top)) in full
    split = layout.splits.get(top)
    return (split, normal(below)) in full if below else split in splits


def _tell_absent(full: set[tuple[str, str]], splits: set[str], source: str) -> None:
    """Inform the user about classes that only some splits have."""
    classes = {label for _, label in full}
    for split in sorted(splits):
        absent = in_order(classes - {label for name, label in full if name == split})
        if absent:
            tell(f"{source}: the split {split} has no images of {some(absent, 5)}, which other splits have")


def _spellings() -> str:
    return ", ".join("/".join(words) for words in SPELLINGS.values())
