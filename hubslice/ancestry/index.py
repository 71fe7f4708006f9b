"""Store an index of fingerprints as a file."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from hubslice.ancestry.fingerprint import Fingerprint, Shape
from hubslice.ancestry.stem_fingerprint import StemFingerprint
from hubslice.core.errors import LineageError
from hubslice.files.sealed import read_sealed, write_sealed

KIND: Final = "fingerprint index"
VERSION: Final = 2  # of the positions and of the conversion of values to bytes
AGAIN: Final = "make it again with `hubslice lineage index MODEL ... --out FILE`"


def save_index(path: Path, prints: Sequence[Fingerprint]) -> None:
    """Write an index atomically."""
    shapes = sorted({shape for each in prints for shape, _ in each.layers})
    layers = [(number, shape, values) for number, each in enumerate(prints) for shape, values in each.layers]
    about = {
        "version": VERSION,
        "models": [
            {"model": each.model, "commit": each.commit, "size": each.size, "entrance": _described(each.stem)}
            for each in prints
        ],
        "shapes": shapes,
    }
    tensors = {
        "model": np.array([number for number, _, _ in layers], np.int32),
        "shape": np.array([shapes.index(shape) for _, shape, _ in layers], np.int32),
        "count": np.array([len(values) for _, _, values in layers], np.int32),
        "values": np.concatenate([values for _, _, values in layers] or [np.zeros(0, np.int8)]),
        "entrances": np.concatenate(
            [np.zeros(0, np.int8), *(part.ravel() for each in prints if each.stem for part in each.stem.parts)]
        ),
    }
    write_sealed(path, KIND, about, tensors)


def load_index(path: Path) -> list[Fingerprint]:
    """Read the fingerprints of an index.

    Raises:
        RunError: the file is missing, damaged, or not an index.
        LineageError: its version is not supported.
    """

    def build(about: dict[str, Any], tensors: dict[str, np.ndarray]) -> list[Fingerprint]:
        if about["version"] != VERSION:
            raise LineageError(
                f"{path} holds fingerprints of version {about['version']}; this hubslice reads version {VERSION}",
                hint=AGAIN,
            )
        shapes = [tuple(shape) for shape in about["shapes"]]
        layers: dict[int, list[tuple[Shape, np.ndarray]]] = defaultdict(list)
        parts = np.split(tensors["values"], np.cumsum(tensors["count"])[:-1]) if len(tensors["count"]) else []
        for number, shape, values in zip(tensors["model"], tensors["shape"], parts, strict=True):
            layers[int(number)].append((shapes[int(shape)], values))
        stream = _Stream(tensors["entrances"])
        return [
            Fingerprint(
                each["model"],
                each["commit"],
                each["size"],
                layers=tuple(layers[number]),
                stem=_rebuilt(each["entrance"], stream),
            )
            for number, each in enumerate(about["models"])
        ]

    return read_sealed(path, KIND, build, hint=AGAIN)


def _described(found: StemFingerprint | None) -> dict[str, Any] | None:
    """Return its shapes; the values are in a separate stream, in the same order."""
    if found is None:
        return None
    return {"kernel": found.kernel, "shapes": found.shapes, "parts": [part.shape for part in found.parts]}


class _Stream:
    def __init__(self, values: np.ndarray) -> None:
        self.values, self.at = values, 0

    def take(self, shape: Shape) -> np.ndarray:
        start, self.at = self.at, self.at + math.prod(shape)
        return self.values[start : self.at].reshape(shape)


def _rebuilt(about: dict[str, Any] | None, stream: _Stream) -> StemFingerprint | None:
    if about is None:
        return None
    first, *behind = (stream.take(tuple(shape)) for shape in about["parts"])
    return StemFingerprint(tuple(about["kernel"]), first, tuple(map(tuple, about["shapes"])), tuple(behind))
