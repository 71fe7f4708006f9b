"""Read images from users: a file, a folder of them, a parquet file, or an array of pixels."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import datasets
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hubslice.artefacts.model import Preprocessing
from hubslice.core.errors import DataError
from hubslice.core.foreign_errors import message_of
from hubslice.modality.image.images import PIXELS
from hubslice.modality.image.modes import MODES
from hubslice.modality.image.pixels import prepare, to_unit
from hubslice.modality.image.reading import read_rgb, was_transparent
from hubslice.modality.image.unrecorded_transparency import tell_unrecorded
from hubslice.modality.modality import Encoded
from hubslice.recipe.schema import DataParams
from hubslice.task.aside import Reason, tell
from hubslice.task.folder import look
from hubslice.task.opening import open_tables
from hubslice.task.table import KEPT_BYTES, Table
from hubslice.task.walk import walk

KINDS = "an image, a folder of images, a parquet file with a column `image`, or a .npy array of pixels"


@dataclass(frozen=True)
class UserInputs:
    """Images in a fixed order, by name; `pixels` are prepared for the model, with its rule for transparent ones.

    If the model records no rule, a warning says what is done. Prepared images are cached as far as there is memory:
    they are read several times, and files are far larger than the model's inputs.
    """

    source: str
    names: tuple[str, ...]
    items: Sequence[Path] | Table | np.ndarray
    preprocessing: Preprocessing
    _told: list[str] = field(default_factory=list, repr=False, compare=False)
    _kept: dict[int, Tensor] = field(default_factory=dict, repr=False, compare=False, init=False)

    def __len__(self) -> int:
        return len(self.names)

    def pixels(self, start: int, stop: int) -> Tensor:
        """Return images `start` to `stop`, float32 in [0, 1], [stop - start, C, H, W].

        Raises:
            DataError: an image cannot be read.
        """
        return to_unit(self.encoded(start, stop)[PIXELS])

    def encoded(self, start: int, stop: int) -> Encoded:
        """Return images `start` to `stop` encoded for the model.

        Raises:
            DataError: an image cannot be read.
        """
        if isinstance(self.items, np.ndarray):
            return {PIXELS: torch.from_numpy(np.ascontiguousarray(self.items[start:stop], np.float32))}
        return {PIXELS: torch.stack([self._prepared(at) for at in range(start, min(stop, len(self)))])}

    def check(self, progress: Callable[[], None]) -> None:
        """Read and prepare every image before long work starts; `progress` is called after each.

        Raises:
            DataError: an image cannot be read.
        """
        for at in range(len(self)):
            if not isinstance(self.items, np.ndarray):  # arrays are checked when they are opened
                self._prepared(at)
            progress()

    def levels(self, at: int) -> np.ndarray:
        """Return an image rounded to 8 bits, uint8 [C, H, W]."""
        found: np.ndarray = np.clip(np.rint(255 * self.pixels(at, at + 1)[0].numpy()), 0, 255).astype(np.uint8)
        return found

    def table(self, labels: tuple[str, ...]) -> Table:
        """Return the images as a table for training; rows have no labels, `labels` are the model's classes.

        Raises:
            DataError: they are an array, which cannot be augmented.
        """
        if isinstance(self.items, Table):
            return replace(self.items, labels=labels)
        if isinstance(self.items, np.ndarray):
            raise DataError(
                f"{self.source} is an array of pixels, which no model is trained on",
                hint="give image files or a parquet file",
            )
        rows = [{"path": str(path), "bytes": None} for path in self.items]
        features = datasets.Features(image=datasets.Image(decode=False))
        params = _params(self.source, self.preprocessing)
        return Table(datasets.Dataset.from_dict({"image": rows}, features=features), labels, params)

    def _prepared(self, at: int) -> Tensor:
        """Return an image prepared for the model, uint8 [C, H, W]; must not be modified."""
        found = self._kept.get(at)
        if found is None:
            found = prepare(self._image(at), self.preprocessing)
            if (len(self._kept) + 1) * found.nbytes <= KEPT_BYTES:
                self._kept[at] = found
        return found

    def _image(self, at: int) -> Image.Image:
        image = self._read(at)
        if self.preprocessing.transparency is None and not self._told and was_transparent(image):
            self._told.append(self.names[at])
            tell_unrecorded(self.names[at])
        return image

    def _read(self, at: int) -> Image.Image:
        if isinstance(self.items, Table):
            found: Image.Image = self.items.item(at)
            return found
        assert not isinstance(self.items, np.ndarray)
        path = self.items[at]
        try:
            return read_rgb(path, self.preprocessing.shown)
        except Exception as error:  # Pillow may raise anything for broken files
            raise DataError(
                f"{path} cannot be read: {message_of(error)}",
                hint=f"mend it or take it away; inputs are {KINDS}",
            ) from error


def there(path: Path, kinds: str = KINDS) -> Path:
    """Return the path with `~` expanded; `kinds` describes what is accepted there.

    Raises:
        DataError: the path does not exist.
    """
    path = Path(os.path.expanduser(path))  # noqa: PTH111  # Path raises for ~nobody
    if not path.exists():
        raise DataError(f"there is nothing at {path}", hint=f"inputs are {kinds}")
    return path


def open_given(path: Path, preprocessing: Preprocessing) -> UserInputs:
    """Open the images at `path`: in a folder all that `walk` finds at any depth, sorted by path.

    Files that are not images are reported. If a folder contains no images but tables, the tables are read. Labels are
    not required. An array is [N, C, H, W] or [C, H, W], numbers in [0, 1] at the model's own size.

    Raises:
        DataError: there are none, or they are of another kind or size.
    """
    path = there(path)
    if path.suffix == ".npy":
        return _array(path, preprocessing)
    if preprocessing.input_size[0] not in MODES:
        raise DataError(
            f"the model takes images of {preprocessing.input_size[0]} channels, and {path} is read as grey or RGB",
            hint="give a .npy array of pixels, [N, C, H, W] in [0, 1]",
        )
    if path.is_file() and path.suffix.lower() == ".parquet":
        return _rows(str(path), preprocessing)
    if not path.is_dir():
        return UserInputs(str(path), (path.name,), [path], preprocessing)
    files = _images(path)
    if files is None:
        return _rows(str(path), preprocessing)
    return UserInputs(str(path), tuple(str(file.relative_to(path)) for file in files), files, preprocessing)


def _rows(source: str, preprocessing: Preprocessing) -> UserInputs:
    """Return the images of a table: of its training split, else of the first one."""
    tables = open_tables(_params(source, preprocessing), Path.cwd(), labelled=False)[0]
    name = "train" if "train" in tables else next(iter(tables))
    if len(tables) > 1:
        tell(f"{source}: of its splits {', '.join(sorted(tables))}, {name} is taken")
    return UserInputs(source, tables[name].titles(), tables[name], preprocessing)


def _images(folder: Path) -> list[Path] | None:
    """Return the images of a folder; None if it contains no images but tables."""
    try:
        walked = walk(folder)
        if not walked.images and look(folder)[0] != "images":
            return None
    except OSError as error:
        raise DataError(
            f"{folder} cannot be read: {message_of(error)}", hint="mend or remove what cannot be read"
        ) from error
    for place in walked.tables:
        walked.aside.add(Reason.UNKNOWN, place)
    for place in walked.metadata:  # labels, which are not needed here
        walked.aside.add(Reason.LITTER, place)
    walked.aside.tell(str(folder))
    if not walked.images:
        raise DataError(f"{folder} holds no images", hint=f"inputs are {KINDS}")
    return [walked.path(place) for place in walked.images]


def open_data(data: str, preprocessing: Preprocessing) -> UserInputs:
    """Open the images of a path, or of a dataset on the Hub: its training split, else the first split.

    Raises:
        DataError: there are none, or they are of another kind or size.
        FetchError: the dataset cannot be fetched from the Hub.
    """
    path = Path(os.path.expanduser(data))  # noqa: PTH111
    if path.exists() or path.suffix or data.startswith((".", "/", "~")) or data.count("/") != 1:
        return open_given(path, preprocessing)
    return _rows(data, preprocessing)


def _params(source: str, preprocessing: Preprocessing) -> DataParams:
    """Return how a table is read for a model."""
    return DataParams.model_validate({"path": source, "transparency": preprocessing.shown})


def _array(path: Path, preprocessing: Preprocessing) -> UserInputs:
    size = preprocessing.input_size
    shape = " x ".join(map(str, size))
    try:
        # Archives are not unpacked, and a header that claims more data than the file contains is refused.
        array: np.ndarray = np.lib.format.open_memmap(path, mode="c")
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is not a NumPy array: {message_of(error)}", hint=f"inputs are {KINDS}") from error
    if array.ndim == 3:
        array = array[None]
    if array.ndim != 4 or array.shape[1:] != size or not len(array):
        raise DataError(
            f"{path} holds an array of {list(array.shape)}; the model takes pixels [N, {', '.join(map(str, size))}]",
            hint=f"give pixels of {shape}, or image files, which are resized",
        )
    if array.dtype.kind != "f" or not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
        raise DataError(
            f"{path} holds values of {array.dtype} that are not all numbers from 0 to 1",
            hint="pixels are floating point numbers in [0, 1]; divide 8-bit values by 255",
        )
    return UserInputs(str(path), tuple(f"{path.name}[{at}]" for at in range(len(array))), array, preprocessing)
