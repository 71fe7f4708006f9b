"""Compare a model with one candidate: layers in place first; if that finds nothing, channels are matched."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hubslice.ancestry.alignment import Aligned, align, matched
from hubslice.ancestry.layers import Layer, layers_of, read_samples
from hubslice.ancestry.similarity import Likeness, partners
from hubslice.ancestry.verdict import Decision, decide
from hubslice.artefacts.lineage import Comparison, LayerLikeness
from hubslice.files.tensor_parts import Tensors

_WHOLE: Final = 0.95  # share of the weights in layers with the candidate's shapes, above which no channels were removed


@dataclass(frozen=True)
class Sampled:
    """A model whose layers were sampled."""

    tensors: Tensors
    layers: Sequence[Layer]
    samples: Sequence[np.ndarray]

    @property
    def weights(self) -> int:
        """The number of values in all layers."""
        return sum(layer.info.elements for layer in self.layers)


def sample(tensors: Tensors, shapes: set[tuple[int, ...]] | None = None) -> Sampled:
    """Read samples of a model's layers: of all, or of those with some shapes.

    Raises:
        HubError: they cannot be fetched from the Hub.
    """
    layers = [layer for layer in layers_of(tensors) if shapes is None or layer.shape in shapes]
    return Sampled(tensors, layers, read_samples(tensors, layers))


def compare(mine: Sampled, theirs: Tensors) -> Comparison:
    """Compare the weights of the model and a candidate, reading no more of the candidate than needed.

    Raises:
        HubError: the candidate's bytes cannot be fetched from the Hub.
    """
    started = time.perf_counter()
    found = in_place(mine, sample(theirs, {layer.shape for layer in mine.layers}))
    compared = share(mine, {layer.layer for layer in found})
    decision = decide(found, compared)
    if decision.verdict != "descendant":
        aligned = align(mine.tensors, theirs, cut=compared < _WHOLE)
        by_channels = [_told(each.mine, each.theirs, each.likeness, aligned=True) for each in matched(aligned)]
        reached = share(mine, {layer.layer for layer in by_channels})
        again = decide(by_channels, reached)
        if again.verdict == "descendant" or decision.verdict == "not comparable":
            found, compared, decision = _with_first(by_channels, aligned), reached, again
    return _comparison(
        theirs.name,
        decision,
        found,
        compared,
        bytes_read=theirs.bytes_read,
        bytes_whole=theirs.size,
        seconds=time.perf_counter() - started,
    )


def in_place(mine: Sampled, theirs: Sampled) -> list[LayerLikeness]:
    """Return layers of equal shape, paired by content, in the model's order."""
    groups: dict[tuple[int, ...], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for side, model in enumerate((mine, theirs)):
        for number, layer in enumerate(model.layers):
            groups[layer.shape][side].append(number)
    found: dict[int, LayerLikeness] = {}
    for here, there in groups.values():
        if not here or not there:
            continue
        for at, to, like in partners([mine.samples[n] for n in here], [theirs.samples[n] for n in there]):
            if like.positions:
                found[here[at]] = _told(mine.layers[here[at]], theirs.layers[there[to]], like)
    return [found[number] for number in sorted(found)]


def share(model: Sampled, names: set[str]) -> float:
    """Return the share of the model's weights that are in the layers with these names."""
    held = sum(layer.info.elements for layer in model.layers if layer.name in names)
    return held / model.weights if model.weights else 0.0


def _with_first(decision: Sequence[LayerLikeness], aligned: Sequence[Aligned]) -> list[LayerLikeness]:
    """Add first layers for display, although they are not used in the verdict."""
    return [*(_told(each.mine, each.theirs, each.likeness, aligned=True) for each in aligned if each.first), *decision]


def _told(mine: Layer, theirs: Layer, like: Likeness, *, aligned: bool = False) -> LayerLikeness:
    return LayerLikeness(
        layer=mine.name,
        candidate=theirs.name,
        shape=mine.info.shape,
        correlation=round(like.correlation, 4),
        null=round(like.null, 4),
        positions=like.positions,
        aligned=aligned,
    )


def _comparison(
    name: str,
    decision: Decision,
    layers: Sequence[LayerLikeness],
    compared: float,
    *,
    bytes_read: int,
    bytes_whole: int,
    seconds: float,
) -> Comparison:
    return Comparison(
        candidate=name,
        verdict=decision.verdict,
        score=None if decision.score is None else round(decision.score, 4),
        threshold=None if decision.threshold is None else round(decision.threshold, 4),
        compared=round(compared, 4),
        layers=tuple(layers),
        bytes_read=bytes_read,
        bytes_whole=bytes_whole,
        seconds=round(seconds, 3),
    )
