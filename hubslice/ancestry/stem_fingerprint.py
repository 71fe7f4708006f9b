"""Fingerprint a network's first layer and some layers that read it, to find models with removed channels.

Channels of a first layer are identified by their kernels, whatever their position: colours are not permuted. So those
of two models are matched first, by their kernels; then rows of the following layers by their weights to matched
channels. Half of these weights are used for matching, the other half for the score, as in `ancestry.alignment`; of the
candidate some rows and channels suffice, those of the largest norm, which compaction is more likely to keep.
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

_FIRST_ROWS: Final = 32  # rows of a first layer that are stored
_FIRST_COLUMNS: Final = 48
_BEHIND: Final = 2  # number of layers after it
_BYTES: Final = 5120  # for all of them together
_CHANNELS: Final = 16  # of theirs, from the stored ones of the first layer; all of these if kernels are 1 x 1
_FIRST_READ: Final = 256  # number of rows from which the stored ones are chosen
_BEHIND_READ: Final = 96
_SAME: Final = 0.5  # minimum correlation of two matching kernels
_NEARLY: Final = 0.75  # share of the best correlation in the choosing half that other layers must reach
_CLEAR: Final = 0.5  # share of the stored kernels, the best matched, by which candidates are preselected
_SEED: Final = 22


@dataclass(frozen=True)
class StemFingerprint:
    """A first layer and layers after it: their whole shapes, and parts of them as int8 with one scale per row.

    `first` [rows, columns] are kernels; `behind` [rows, channels, positions], whose channels are the first of those
    rows.
    """

    kernel: Kernel
    first: np.ndarray
    shapes: tuple[tuple[int, ...], ...] = ()
    behind: tuple[np.ndarray, ...] = ()

    @property
    def parts(self) -> tuple[np.ndarray, ...]:
        """All its arrays."""
        return self.first, *self.behind


@dataclass(frozen=True)
class Opened:
    """A model's own layers with all channels.

    `first` float32 [channels, columns], `behind` [rows, channels, positions].
    """

    kernel: Kernel
    first: np.ndarray
    layers: tuple[Layer, ...]
    behind: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Passed:
    """One of the model's layers compared with the candidate's layer number `behind`."""

    mine: Layer
    behind: int
    likeness: Likeness


def open_stem(tensors: Tensors) -> Opened | None:
    """Read the model's first layer with colour inputs and all layers that read its channels; None if there is none.

    Raises:
        HubError: the bytes cannot be fetched from the Hub.
    """
    found = _layers(tensors)
    return None if found is None else _opened(tensors, *found)


def stem(tensors: Tensors) -> StemFingerprint | None:
    """Return the part that an index stores, reading only some rows.

    Raises:
        HubError: the bytes cannot be fetched from the Hub.
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
    """Return the smallest layer with colour inputs, and the layers of matching width, the smallest first."""
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
    """Read the values of these layers, or of their first rows only."""
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
    """Return the candidates whose first layers have most kernels in common with the model's."""
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
    """Compare the model's layers with those of the candidate, through the matched channels of the first layer.

    Not every layer of matching width reads the first one. The choosing half of the weights decides which ones do.
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
    """Return rows as int8, with the largest value of each at 127."""
    flat = values.reshape(len(values), -1)
    most = np.abs(flat).max(1, keepdims=True)
    found: np.ndarray = np.round(flat * (127 / np.where(most > 0, most, 1))).astype(np.int8).reshape(values.shape)
    return found


def _unit(rows: np.ndarray) -> np.ndarray:
    """Return rows centred and with unit norm, along the last axis."""
    rows = rows.astype(np.float32)
    rows = rows - rows.mean(-1, keepdims=True)
    sizes = np.linalg.norm(rows, axis=-1, keepdims=True)
    unit: np.ndarray = rows / np.where(sizes > 0, sizes, 1)
    return unit
