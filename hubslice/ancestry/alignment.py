"""Match the channels of two models after channels were removed or permuted.

If two layers share one axis (three colours, the words of a vocabulary, a width that nobody changed), the channels of
the other axis are matched by their weights. Matched channels are then the shared axis of the layers that read them, and
so on through the network, without names and without a graph. Half of the columns are used for matching, the other half
for the score.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hubslice.ancestry.layers import Layer, layers_of, read_whole
from hubslice.ancestry.similarity import Likeness, correlation, halves, standardised
from hubslice.files.tensor_parts import Tensors

_ACCEPTED: Final = 0.3  # minimum correlation of a matching that is used further
_SIGMAS: Final = 6.0
_COLUMNS: Final = 1024  # maximum number of columns that identify a channel
FEWEST_COLUMNS: Final = 12  # fewer do not distinguish channels
_FEWEST_PAIRS: Final = 4
COLOURS: Final = 4  # maximum input channels of a network's first layer
LARGEST: Final = 6 << 20  # bytes of a tensor
_BUDGET: Final = 24 << 20  # bytes of a model
_ENOUGH: Final = 12  # layers, after which nothing more is read
_MOST: Final = 1000  # number of leading layers that are tried; each is compared with each of the other model's


@dataclass(frozen=True)
class Channels:
    """Channel `mine[n]` of a width `sizes[0]` is channel `theirs[n]` of a width `sizes[1]`."""

    sizes: tuple[int, int]
    mine: np.ndarray
    theirs: np.ndarray


@dataclass(frozen=True)
class Aligned:
    """Two layers compared after matching; `first` layers of a network are similar even in unrelated models."""

    mine: Layer
    theirs: Layer
    likeness: Likeness
    first: bool


def align(mine: Tensors, theirs: Tensors, *, cut: bool) -> list[Aligned]:
    """Compare layers through matched channels; empty if no starting point was found.

    `cut`: channels may have been removed, not only permuted. Then layers with one width in common are starting points
    too.

    Raises:
        HubError: the bytes cannot be fetched from the Hub.
    """
    return list(_Search(mine, theirs, cut).run())


class _Search:
    def __init__(self, mine: Tensors, theirs: Tensors, cut: bool) -> None:
        self.cut = cut
        self.widths = False  # whether a shared width is a starting point
        self.known: list[Channels] = []
        self.models = [_Values(mine), _Values(theirs)]
        self.done: set[tuple[str, ...]] = set()
        self.accepted: dict[str, Aligned] = {}
        self.best: dict[str, Aligned] = {}
        self.taken: set[str] = set()

    def run(self) -> Iterator[Aligned]:
        """Yield layers that were matched, then those reached through matched channels without similarity."""
        self._grow()
        if self.cut and self._goes_on():
            self.widths = True
            self._grow()
        if self.accepted:
            yield from (self.best | self.accepted).values()

    def _goes_on(self) -> bool:
        """Return whether to try layers with one width in common, which account for most bytes read of unrelated models.

        They are tried if the model has no colour inputs, or if those led further: to a layer that matched, or to none
        at all.
        """
        if not any(_takes_colours(layer) for layer in self.models[0].layers):
            return True
        behind = [name for name, each in self.best.items() if not each.first]
        return bool(self.accepted) and (not behind or any(name in self.accepted for name in behind))

    def _grow(self) -> None:
        grown = True
        while grown and len(self.accepted) < _ENOUGH:
            grown = False
            for mine, theirs in self._pairs():
                if mine.name in self.accepted or theirs.name in self.taken or len(self.accepted) >= _ENOUGH:
                    continue
                for axis in (1, 0):
                    found, channels = self._compare(mine, theirs, axis)
                    if found is None or channels is None:
                        continue
                    last = self.best.get(mine.name)
                    if last is None or found.likeness.correlation > last.likeness.correlation:
                        self.best[mine.name] = found
                    if found.likeness.correlation > max(_ACCEPTED, _SIGMAS * found.likeness.null):
                        self.accepted[mine.name] = found
                        self.taken.add(theirs.name)
                        self.known.append(channels)
                        grown = True
                        break

    def _pairs(self) -> list[tuple[Layer, Layer]]:
        """Return pairs of layers that may correspond after removing or permuting channels, small ones first."""
        found = [
            (mine, theirs)
            for mine in self.models[0].layers
            for theirs in self.models[1].layers
            if mine.info.shape[2:] == theirs.info.shape[2:]
            and all(here <= there for here, there in zip(mine.info.shape, theirs.info.shape, strict=True))
        ]
        return sorted(found, key=lambda pair: (pair[0].info.shape[1] > COLOURS, pair[1].info.elements))

    def _compare(self, mine: Layer, theirs: Layer, axis: int) -> tuple[Aligned | None, Channels | None]:
        """Match the channels of the other axis through the known channels of `axis`."""
        sizes = (mine.info.shape[axis], theirs.info.shape[axis])
        first = axis == 1 and sizes[0] == sizes[1] <= COLOURS
        best: tuple[float, Aligned | None, Channels | None] = (-1.0, None, None)
        for way, channels in self._common(mine, theirs, axis, first):
            key = (mine.name, theirs.name, str(axis), way)
            if key in self.done or len(channels.mine) * math.prod(mine.info.shape[2:]) < FEWEST_COLUMNS:
                continue
            self.done.add(key)
            if not all(model.affordable(layer) for model, layer in zip(self.models, (mine, theirs), strict=True)):
                continue
            left = _features(self.models[0].of(mine), channels.mine, axis)
            right = _features(self.models[1].of(theirs), channels.theirs, axis)
            chosen, like, pairs = match_rows(left, right)
            if chosen > best[0]:
                found = Channels((len(left), len(right)), pairs[0], pairs[1])
                best = (chosen, Aligned(mine, theirs, like, first), found)
        return best[1], best[2]

    def _common(self, mine: Layer, theirs: Layer, axis: int, first: bool) -> Iterator[tuple[str, Channels]]:
        """Yield known channel matchings of the axis: identity if only the other width was cut, or matched channels.

        Each comes with a name that is unique among all of them.
        """
        sizes = (mine.info.shape[axis], theirs.info.shape[axis])
        other = self.widths and mine.info.shape[1 - axis] < theirs.info.shape[1 - axis]
        if sizes[0] == sizes[1] and (first or other):
            every = np.arange(sizes[0])
            yield "every", Channels(sizes, every, every)
        yield from ((str(number), known) for number, known in enumerate(self.known) if known.sizes == sizes)


def _takes_colours(layer: Layer) -> bool:
    shape = layer.info.shape
    return shape[1] <= COLOURS and math.prod(shape[1:]) >= FEWEST_COLUMNS


class _Values:
    """Whole tensors, read once, within the budget."""

    def __init__(self, tensors: Tensors) -> None:
        self.tensors = tensors
        layers = [layer for layer in layers_of(tensors) if len(layer.info.shape) > 1 and layer.info.shape[1] > 1]
        self.layers = layers[:_MOST]
        self.held: dict[str, np.ndarray] = {}
        self.spent = 0

    def affordable(self, layer: Layer) -> bool:
        return layer.name in self.held or (layer.info.size <= LARGEST and self.spent + layer.info.size <= _BUDGET)

    def of(self, layer: Layer) -> np.ndarray:
        if layer.name not in self.held:
            self.spent += layer.info.size
            values = read_whole(self.tensors, [layer])[0]
            self.held[layer.name] = values.reshape(*values.shape[:2], -1)
        return self.held[layer.name]


def _features(values: np.ndarray, common: np.ndarray, axis: int) -> np.ndarray:
    """Return one row for each channel of the other axis: its weights to the shared ones, [channels, columns]."""
    if axis == 0:
        values = values.swapaxes(0, 1)
    rows = values[:, common].reshape(len(values), -1)
    if rows.shape[1] > _COLUMNS:
        rows = rows[:, np.sort(np.random.default_rng(rows.shape[1]).permutation(rows.shape[1])[:_COLUMNS])]
    return rows


def match_rows(left: np.ndarray, right: np.ndarray) -> tuple[float, Likeness, tuple[np.ndarray, np.ndarray]]:
    """Match mutually nearest rows by half of the columns; returns their similarity in both halves, and the pairs."""
    choosing, judging = halves(left.shape[1])
    units = [_unit(rows[:, choosing]) for rows in (left, right)]
    table = units[0] @ units[1].T
    forward, backward = table.argmax(1), table.argmax(0)
    mine = np.flatnonzero(backward[forward] == np.arange(len(left)))
    theirs = forward[mine]
    if len(mine) < _FEWEST_PAIRS:
        return -1.0, Likeness(0.0, 1.0, 0), (mine, theirs)
    pair = (left[mine][:, judging], right[theirs][:, judging])
    known = (pair[0] != 0) & (pair[1] != 0)
    standard = [standardised(rows, known) for rows in pair]
    positions = int(((standard[0] != 0) & (standard[1] != 0)).sum())
    like = Likeness(correlation(standard[0], standard[1]), 1 / math.sqrt(max(positions, 1)), positions)
    return float(table[mine, theirs].mean()), like, (mine, theirs)


def _unit(rows: np.ndarray) -> np.ndarray:
    standard = standardised(rows, rows != 0)
    sizes = np.linalg.norm(standard, axis=1, keepdims=True)
    unit: np.ndarray = standard / np.where(sizes > 0, sizes, 1)
    return unit


def matched(found: Sequence[Aligned]) -> list[Aligned]:
    """Return those that a verdict may be based on: first layers are excluded."""
    return [each for each in found if not each.first]
