"""The way into a network, in few bytes: its first layer and some that take that in, for models that lost channels.

Channels of a first layer are known by their kernels, wherever they stand: colours are not permuted. So those of two
models are matched first, by the kernels; then rows of the layers behind by their weights to matched channels. Half of
these weights match, the others judge, as in `ancestry.alignment`; of the candidate some rows and channels are enough,
those of the largest norm, which a compacted model rather keeps.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hubslice.ancestry.alignment import COLOURS, FEWEST_COLUMNS, LARGEST, match_rows
from hubslice.ancestry.layers import Layer, layers_of, numbers
from hubslice.ancestry.similarity import Likeness
from hubslice.files.tensor_parts import Piece, Tensors

Kernel = tuple[int, ...]  # input channels, height and width

_FIRST_ROWS: Final = 32  # of a first layer that are kept
_FIRST_COLUMNS: Final = 48
_BEHIND: Final = 2  # layers behind it
_BYTES: Final = 5120  # of them together
_CHANNELS: Final = 16  # of theirs, from the kept ones of the first layer; all of these where kernels are points
_FIRST_READ: Final = 256  # rows that the kept ones are chosen from
_BEHIND_READ: Final = 96
_SAME: Final = 0.5  # correlation from which two kernels may be one
_NEARLY: Final = 0.75  # of the best correlation by which layers behind were chosen, those that count
_CLEAR: Final = 0.5  # share of the kept kernels, the best matched, by which candidates are looked through
_SEED: Final = 22


@dataclass(frozen=True)
class StemFingerprint:
    """A first layer and layers behind it: their whole shapes, and of them int8 in rows that each have their own scale.

    `first` [rows, columns] are kernels; `behind` [rows, channels, positions], whose channels are the first of those
    rows.
    """

    kernel: Kernel
    first: np.ndarray
    shapes: tuple[tuple[int, ...], ...] = ()
    behind: tuple[np.ndarray, ...] = ()

    @property
    def parts(self) -> tuple[np.ndarray, ...]:
        """All its values."""
        return self.first, *self.behind


@dataclass(frozen=True)
class Opened:
    """A model's own: all channels. `first` float32 [channels, columns], `behind` [rows, channels, positions]."""

    kernel: Kernel
    first: np.ndarray
    layers: tuple[Layer, ...]
    behind: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Passed:
    """One of the model's layers that was judged beside the candidate's layer behind number `behind`."""

    mine: Layer
    behind: int
    likeness: Likeness


def open_stem(tensors: Tensors) -> Opened | None:
    """The model's first layer with colours to take in and all layers that take in its channels; or None.

    Raises:
        HubError: the Hub does not give the bytes.
    """
    found = _layers(tensors)
    return None if found is None else _opened(tensors, *found)


def stem(tensors: Tensors) -> StemFingerprint | None:
    """What an index keeps of it, for which no more than some rows are read.

    Raises:
        HubError: the Hub does not give the bytes.
    """
    found = _layers(tensors)
    if found is None:
        return None
    opened = _opened(tensors, found[0], found[1][:_BEHIND], _FIRST_READ, _BEHIND_READ)
    kept = _largest(opened.first, _FIRST_ROWS)
    behind = []
    for values in opened.behind:
        channels = kept if values.shape[2] == 1 else kept[:_CHANNELS]
        part = values[:, channels]
        rows = max(1, _BYTES // len(opened.behind) // (len(channels) * values.shape[2]))
        behind.append(_small(part[_largest(part.reshape(len(part), -1), rows)]))
    shapes = tuple(layer.info.shape for layer in opened.layers)
    return StemFingerprint(opened.kernel, _small(opened.first[kept]), shapes, tuple(behind))


def _layers(tensors: Tensors) -> tuple[Layer, list[Layer]] | None:
    """The smallest layer that takes in colours, and the layers as wide as it is, the smallest first."""
    layers = [layer for layer in layers_of(tensors) if len(layer.info.shape) > 1 and layer.info.size <= LARGEST]
    by_size = sorted(layers, key=lambda each: each.info.elements)
    by_width: dict[int, list[Layer]] = defaultdict(list)
    for layer in by_size:
        by_width[layer.info.shape[1]].append(layer)
    for layer in by_size:
        shape = layer.info.shape
        if len(shape) == 4 and 1 < shape[1] <= COLOURS and math.prod(shape[1:]) >= FEWEST_COLUMNS:
            behind = by_width.get(shape[0], [])
            if any(each is not layer for each in behind):
                return layer, [each for each in behind if each is not layer]
    return None


def _opened(
    tensors: Tensors, first: Layer, behind: Sequence[Layer], rows: int | None = None, rows_behind: int | None = None
) -> Opened:
    """The values of these layers, or of their first so many rows."""
    asked = [(first, rows), *((layer, rows_behind) for layer in behind)]
    counts = [layer.rows if most is None else min(most, layer.rows) for layer, most in asked]
    pieces = [
        Piece(layer.name, 0, layer.info.size // layer.rows * count)
        for (layer, _), count in zip(asked, counts, strict=True)
    ]
    values, *others = (
        numbers(data, layer.info.dtype).reshape(count, layer.info.shape[1], -1)
        for data, (layer, _), count in zip(tensors.read(pieces), asked, counts, strict=True)
    )
    kernel = first.info.shape[1:]
    return Opened(kernel, values.reshape(len(values), -1)[:, _columns(kernel)], tuple(behind), tuple(others))


def looked_through(mine: Opened, candidates: Sequence[StemFingerprint | None], most: int) -> list[int]:
    """The candidates whose first layers have most kernels in common with the model's."""
    groups: dict[tuple[Kernel, int], list[int]] = defaultdict(list)
    for number, each in enumerate(candidates):
        if each is not None and each.kernel == mine.kernel:
            groups[each.kernel, len(each.first)].append(number)
    near: list[tuple[float, int]] = []
    own = _unit(mine.first)
    for members in groups.values():
        table = _unit(np.stack([candidates[n].first for n in members])) @ own.T  # type: ignore[union-attr]
        best = np.sort(table.max(2), axis=1)
        clear = best[:, -max(1, int(_CLEAR * best.shape[1])) :].mean(1)
        near += zip(clear.tolist(), members, strict=True)
    return [number for _, number in sorted(near, reverse=True)[:most]]


def passed(mine: Opened, theirs: StemFingerprint) -> list[Passed]:
    """The model's layers beside those of the candidate, each by the channels of the first layer that were matched.

    Not every layer as wide as the first one takes that in. Which does the choosing half of the weights tell.
    """
    table = _unit(theirs.first.astype(np.float32)) @ _unit(mine.first).T
    forward, backward = table.argmax(1), table.argmax(0)
    rows = np.arange(len(table))
    pairs = np.flatnonzero((backward[forward] == rows) & (table[rows, forward] >= _SAME))
    found: list[tuple[float, Passed]] = []
    for number, (shape, kept) in enumerate(zip(theirs.shapes, theirs.behind, strict=True)):
        held = pairs[pairs < kept.shape[1]]
        best: tuple[float, Passed] | None = None
        for layer, values in zip(mine.layers, mine.behind, strict=True):
            fits = layer.info.shape[2:] == shape[2:] and layer.info.shape[0] <= shape[0]
            if not fits or len(held) * values.shape[2] < FEWEST_COLUMNS:
                continue
            left = values[:, forward[held]].reshape(len(values), -1)
            right = kept[:, held].reshape(len(kept), -1).astype(np.float32)
            chosen, like, _ = match_rows(left, right)
            if like.positions and (best is None or chosen > best[0]):
                best = chosen, Passed(layer, number, like)
        if best is not None:
            found.append(best)
    enough = _NEARLY * max((chosen for chosen, _ in found), default=0.0)
    return [each for chosen, each in found if chosen >= enough]


def _columns(kernel: Kernel) -> np.ndarray:
    count = math.prod(kernel)
    order = np.random.default_rng((_SEED, *kernel)).permutation(count)
    return np.sort(order[:_FIRST_COLUMNS])


def _largest(rows: np.ndarray, count: int) -> np.ndarray:
    return np.argsort(-np.linalg.norm(rows, axis=1), kind="stable")[:count]


def _small(values: np.ndarray) -> np.ndarray:
    """Rows as int8, the largest of each at 127."""
    flat = values.reshape(len(values), -1)
    most = np.abs(flat).max(1, keepdims=True)
    found: np.ndarray = np.round(flat * (127 / np.where(most > 0, most, 1))).astype(np.int8).reshape(values.shape)
    return found


def _unit(rows: np.ndarray) -> np.ndarray:
    """Rows centred and of unit length, along the last axis."""
    rows = rows.astype(np.float32)
    rows = rows - rows.mean(-1, keepdims=True)
    sizes = np.linalg.norm(rows, axis=-1, keepdims=True)
    unit: np.ndarray = rows / np.where(sizes > 0, sizes, 1)
    return unit
