"""Fingerprints: a few thousand values of a model, enough to recognise its children, and search in an index of many.

For each layer, values at positions derived from its shape are stored as bytes, with rows and columns standardised. A
search compares them in place. For models with removed or permuted channels, the first layers of the network are stored
too (`ancestry.stem_fingerprint`); this finds many of them, while the full weights find all that can be found
(`ancestry.alignment`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hubslice.ancestry.compare import Sampled, share
from hubslice.ancestry.similarity import greedy, standardised
from hubslice.ancestry.stem_fingerprint import StemFingerprint, looked_through, open_stem, passed, stem
from hubslice.ancestry.verdict import decide
from hubslice.artefacts.lineage import LayerLikeness

_BYTES: Final = 6144  # of a model, divided among its layers
_FEWEST, _MOST = 32, 1024  # minimum and maximum bytes of a layer
_SCALE: Final = 127 / 4  # values beyond four standard deviations are clipped
_LOOKED_AT: Final = 30  # models whose layers are paired; the others cannot surpass them by any pairing
_SLICED: Final = 0.5  # share of non-zero weights below which a layer counts as sliced
_SEED: Final = 21

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Fingerprint:
    """A model's fingerprint: name, commit (None: not from the Hub), tensor bytes, and shape and bytes of each layer.

    `stem` are its first layers; None if no layer has colour inputs.
    """

    model: str
    commit: str | None
    size: int
    layers: tuple[tuple[Shape, np.ndarray], ...]
    stem: StemFingerprint | None = None


@dataclass(frozen=True)
class Found:
    """A model of the index, the one at `number`, compared with the one searched for."""

    number: int
    model: str
    size: int
    layers: tuple[LayerLikeness, ...]
    compared: float


def fingerprint(model: Sampled) -> Fingerprint:
    """Return the fingerprint of a model whose layers were all sampled.

    Raises:
        HubError: the bytes of its first layers cannot be fetched from the Hub.
    """
    each = int(np.clip(_BYTES // max(len(model.layers), 1), _FEWEST, _MOST))
    layers = tuple(
        (layer.shape, _bytes(_values(sample)[0][:each]))
        for layer, sample in zip(model.layers, model.samples, strict=True)
    )
    held = model.tensors
    return Fingerprint(held.name, held.commit, held.size, layers, stem(held) if layers else None)


def search(mine: Sampled, prints: Sequence[Fingerprint], most: int) -> list[Found]:
    """Return the models of an index that are most similar to a model, at most `most`, the best first.

    If no layers in place indicate a relative, the first layers of the networks are compared.

    Raises:
        HubError: the bytes of the model's first layers cannot be fetched from the Hub.
    """
    found = _in_place(mine, prints)
    if not any(_related(each) for each in found):
        through = [each for each in _through(mine, prints) if _related(each)]
        known = {each.number for each in through}
        found = through + [each for each in found if each.number not in known]
    return found[:most]


def _related(found: Found) -> bool:
    return decide(found.layers, found.compared).verdict == "descendant"


def _best(found: Iterable[Found]) -> list[Found]:
    return sorted(found, key=lambda each: -(decide(each.layers, each.compared).score or -1.0))


def _through(mine: Sampled, prints: Sequence[Fingerprint]) -> list[Found]:
    """Search through channels matched from the first layer on."""
    opened = open_stem(mine.tensors)
    if opened is None:
        return []
    found = []
    for number in looked_through(opened, [each.stem for each in prints], _LOOKED_AT):
        theirs = prints[number]
        layers = tuple(
            LayerLikeness(
                layer=each.mine.name,
                candidate=f"behind the first, {each.behind}",
                shape=each.mine.info.shape,
                correlation=round(each.likeness.correlation, 4),
                null=round(each.likeness.null, 4),
                positions=each.likeness.positions,
                aligned=True,
            )
            for each in (passed(opened, theirs.stem) if theirs.stem is not None else ())
        )
        compared = share(mine, {layer.layer for layer in layers})
        found.append(Found(number, theirs.model, theirs.size, layers, compared))
    return _best(found)


def _in_place(mine: Sampled, prints: Sequence[Fingerprint]) -> list[Found]:
    tables = _tables(mine, prints)
    bound = np.zeros(len(prints))
    for table in tables:
        best = np.full((len(prints), len(table.mine)), -1.0)
        np.maximum.at(best, table.models, table.whole)
        np.add.at(bound, np.unique(table.models), best[np.unique(table.models)].clip(0).sum(1))
    near = np.argsort(-bound, kind="stable")[:_LOOKED_AT]
    return _best(_pair(mine, prints[number], int(number), tables) for number in near if bound[number] > 0)


@dataclass(frozen=True)
class _Table:
    """Correlations of the model's layers `mine` of a shape with those of the index: [layers of the index, mine].

    `whole` uses all positions, `choosing` and `judging` half of them each; `known` counts the positions of the latter.
    """

    mine: Sequence[int]
    models: np.ndarray
    numbers: np.ndarray
    whole: np.ndarray
    choosing: np.ndarray
    judging: np.ndarray
    known: np.ndarray
    known_whole: np.ndarray


def _tables(mine: Sampled, prints: Sequence[Fingerprint]) -> list[_Table]:
    here: dict[Shape, list[int]] = defaultdict(list)
    for number, layer in enumerate(mine.layers):
        here[layer.shape].append(number)
    there: dict[tuple[Shape, int], list[tuple[int, int, np.ndarray]]] = defaultdict(list)
    for model, each in enumerate(prints):
        for number, (shape, values) in enumerate(each.layers):
            if shape in here:
                there[shape, len(values)].append((model, number, values))
    own = {number: _values(mine.samples[number]) for numbers in here.values() for number in numbers}
    tables = []
    for (shape, count), entries in there.items():
        values = np.stack([values for _, _, values in entries]).astype(np.float32)
        left = np.stack([own[number][0][:count] for number in here[shape]])
        known = np.stack([own[number][1][:count] for number in here[shape]]).astype(np.float32)
        half = (np.arange(values.shape[1]) % 2).astype(np.float32)
        tables.append(
            _Table(
                here[shape],
                np.array([model for model, _, _ in entries]),
                np.array([number for _, number, _ in entries]),
                _correlations(values, left, known),
                _correlations(values, left, known * half),
                _correlations(values, left, known * (1 - half)),
                (known * (1 - half)).sum(1).astype(int),
                known.sum(1).astype(int),
            )
        )
    return tables


def _pair(mine: Sampled, theirs: Fingerprint, model: int, tables: Sequence[_Table]) -> Found:
    found: dict[int, LayerLikeness] = {}
    for table in tables:
        rows = np.flatnonzero(table.models == model)
        if not len(rows):
            continue
        alone = len(rows) == len(table.mine) == 1
        judging, known = (table.whole, table.known_whole) if alone else (table.judging, table.known)
        for row, column in greedy(table.choosing[rows]):
            layer, positions = mine.layers[table.mine[column]], int(known[column])
            if positions:
                found[table.mine[column]] = LayerLikeness(
                    layer=layer.name,
                    candidate=f"layer {table.numbers[rows[row]]}",
                    shape=layer.info.shape,
                    correlation=round(float(judging[rows[row], column]), 4),
                    null=round(positions**-0.5, 4),
                    positions=positions,
                )
    layers = tuple(found[number] for number in sorted(found))
    return Found(model, theirs.model, theirs.size, layers, share(mine, {layer.layer for layer in layers}))


def _correlations(values: np.ndarray, left: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the correlation of each row of `values` with each row of `left` at its `known` positions.

    Its shape is [values, left].
    """
    left = left * known
    sizes = np.sqrt((values**2 @ known.T) * (left**2).sum(1))
    found: np.ndarray = (values @ left.T) / np.where(sizes > 0, sizes, 1)
    return found


def _values(sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return standardised values at a fingerprint's positions, and where the sample has values.

    A sliced layer is scaled, but not centred: the means would remove most of the information in the few remaining
    weights, and if one side is centred the product has no row or column pattern anyway.
    """
    known = sample != 0
    if known.mean() < _SLICED:
        sizes = np.sqrt((sample**2).sum(1, keepdims=True) / np.maximum(known.sum(1, keepdims=True), 1))
        values = (sample / np.where(sizes > 0, sizes, 1)).astype(np.float32)
    else:
        values = standardised(sample, known)
    places = np.random.default_rng((_SEED, *sample.shape)).permutation(sample.size)[:_MOST]
    return values.ravel()[places], known.ravel()[places]


def _bytes(values: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.clip(np.round(values * _SCALE), -127, 127).astype(np.int8)
    return found
