"""Select the weights that a method may slice, in one canonical order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from hubslice.artefacts.profile import Profile
from hubslice.core.errors import SliceError
from hubslice.core.foreign_errors import message_of
from hubslice.graph.layer import Layer
from hubslice.graph.neuron_map import NeuronMap

KINDS = ("conv", "depthwise", "linear")


@dataclass(frozen=True)
class Candidate:
    """One sliceable parameter and the layers that use it (several if a weight is shared).

    `weight` is the parameter's value viewed as [in / groups, out, kernel positions]: kernel slices in the order in
    which ReMoS visits them, which decides ties.
    """

    layers: tuple[Layer, ...]
    weight: np.ndarray

    @property
    def name(self) -> str:
        """The parameter's name."""
        return self.layers[0].parameter

    def coverage(self, profile: Profile) -> np.ndarray:
        """Return the weight coverage of each kernel slice, int64 [in / groups, out].

        It is the sum of the active samples of both ends. An output channel of a grouped convolution only sees the input
        channels of its own group.

        Raises:
            SliceError: the profile does not contain the layer's tensors.
        """
        ins, outs = self.weight.shape[:2]
        total = np.zeros((ins, outs), dtype=np.int64)
        for layer in self.layers:
            try:
                seen_in, seen_out = profile.counts[layer.input.key], profile.counts[layer.output.key]
            except KeyError as error:
                raise SliceError(
                    f"the profile has no counts for tensor {message_of(error)} of {layer.parameter}",
                    hint="profile the same model again with `hubslice profile`",
                ) from error
            group = np.arange(outs) // (outs // layer.groups)
            total += seen_in[np.arange(ins)[:, None] + group[None, :] * ins] + seen_out[None, :]
        return total

    def ordered(self, values: np.ndarray) -> np.ndarray:
        """Return values in the parameter's own shape in the view of `weight`."""
        return _ordered(values, self.layers[0])

    def mask(self, relevant: np.ndarray) -> np.ndarray:
        """Return a flat mask in canonical order in the parameter's own shape."""
        layer = self.layers[0]
        shape = np.moveaxis(np.empty(_shape(layer), dtype=bool), (layer.in_axis, layer.out_axis), (0, 1)).shape
        own = np.moveaxis(relevant.reshape(shape), (0, 1), (layer.in_axis, layer.out_axis))
        return np.ascontiguousarray(own)


def _ordered(values: np.ndarray, layer: Layer) -> np.ndarray:
    moved = np.moveaxis(values, (layer.in_axis, layer.out_axis), (0, 1))
    return moved.reshape(*moved.shape[:2], -1)


def _shape(layer: Layer) -> tuple[int, ...]:
    two = [0, 0]
    two[layer.out_axis], two[layer.in_axis] = layer.out_channels, layer.in_channels // layer.groups
    return (*two, *layer.kernel)


def candidates(
    weights: Mapping[str, np.ndarray], neurons: NeuronMap, patterns: Sequence[str], classifier: frozenset[str]
) -> list[Candidate]:
    """Return the parameters selected by `patterns`, in graph order, without the classifier.

    A pattern is a kind of layer (`conv`, `depthwise`, `linear`) or a glob over parameter names; a leading `!` excludes
    layers. Later patterns take precedence.

    Raises:
        SliceError: nothing is selected, a pattern matches nothing, or a weight is not finite.
    """
    chosen: list[Candidate] = []
    used: set[str] = set()
    for name, layers in neurons.by_parameter.items():
        if name in classifier or name not in weights:
            continue
        kept = False
        for pattern in patterns:
            if _matches(layers[0], pattern.removeprefix("!")):
                used.add(pattern)
                kept = not pattern.startswith("!")
        if kept:
            weight = weights[name]
            if not np.isfinite(weight).all():
                raise SliceError(f"{name} has weights that are not finite", hint="pull the teacher again")
            chosen.append(Candidate(layers, _ordered(weight, layers[0])))
    idle = [pattern for pattern in patterns if pattern not in used and pattern.removeprefix("!") not in KINDS]
    if idle or not chosen:
        some = ", ".join(list(neurons.by_parameter)[:3])
        raise SliceError(
            f"slice.layers: {idle[0]!r} matches no layer" if idle else "slice.layers selects no layer",
            hint=f"use {', '.join(KINDS)} or patterns over names such as {some}",
        )
    return chosen


def _matches(layer: Layer, pattern: str) -> bool:
    return layer.kind == pattern if pattern in KINDS else fnmatchcase(layer.parameter, pattern)
