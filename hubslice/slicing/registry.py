"""The registry of slicing methods, and the functions that run them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hubslice.artefacts.contributions import Contributions
from hubslice.artefacts.profile import Profile
from hubslice.artefacts.slice import Slice
from hubslice.core.errors import SliceError
from hubslice.core.escaping import named
from hubslice.graph.channel_groups import ChannelMap
from hubslice.graph.neuron_map import NeuronMap
from hubslice.recipe.methods import METHODS
from hubslice.recipe.nnslicer import NnslicerParams
from hubslice.recipe.seam import SeamParams
from hubslice.recipe.slicing import (
    MagnitudeParams,
    Method,
    NoSlice,
    RandomParams,
    RemosParams,
)
from hubslice.slicing.candidates import candidates
from hubslice.slicing.cutting import Cutting, eligible, left_whole
from hubslice.slicing.nnslicer import nnslicer, unit_contributions
from hubslice.slicing.remos import remos
from hubslice.slicing.simple import chance, magnitude
from hubslice.slicing.units import most_important, unit_chances, unit_magnitudes


@dataclass(frozen=True)
class Slicer:
    """A method that ranks, searches or chooses.

    `run(candidates, known, params, seed)` gives flat relevance of single weights in canonical order, `units(groups,
    weights, seed, known)` the importance of whole channels; a method has what it can do. `known` is what was counted on
    the task's samples: a `Profile`, `Contributions`, or None. One without either is a search, which needs the samples
    themselves (see `hubslice.slicing.seam`).
    """

    params: type[Method]
    run: Callable[..., np.ndarray] | None = None
    units: Callable[..., list[np.ndarray]] | None = None

    @property
    def name(self) -> str:
        """The method's name in recipes."""
        return str(self.params.model_fields["method"].default)

    @property
    def title(self) -> str:
        """The method's title in reports and cards."""
        return self.params.title or self.name

    @property
    def reference(self) -> str:
        """The publication to cite."""
        return self.params.reference


Known = Profile | Contributions | None

SLICERS = (
    Slicer(RemosParams, remos),
    Slicer(SeamParams),
    Slicer(NnslicerParams, nnslicer, unit_contributions),
    Slicer(NoSlice),
    Slicer(MagnitudeParams, magnitude, unit_magnitudes),
    Slicer(RandomParams, chance, unit_chances),
)


def slicer(method: str) -> Slicer:
    """Return the method of this name, from hubslice or another package.

    Raises:
        SliceError: there is none, for example because its package is not installed.
    """
    others = (Slicer(params, getattr(params, "rank", None), getattr(params, "rank_units", None)) for params in METHODS)
    for entry in (*SLICERS, *others):
        if entry.name == method:
            return entry
    raise SliceError(
        f"there is no method {named(method)!r} here", hint="install the package that brings it: see the recipe's author"
    )


def make_slice(
    params: Any,
    weights: Mapping[str, np.ndarray],
    neurons: NeuronMap,
    known: Known,
    classifier: frozenset[str],
    seed: int,
) -> Slice:
    """Return the slice of single weights computed by the method of `params`; the method `none` slices no parameter.

    `weights` are the model's parameters by name, `classifier` the names of those that are never sliced; `known` is the
    profile, for methods that use coverage, or the contributions, for those that use dynamic slices.

    Raises:
        SliceError: the layers that the recipe selects do not exist, or `known` belongs to another model.
    """
    entry = slicer(params.method)
    if not params.slices:
        return Slice({}, params.method)
    assert entry.run is not None
    chosen = candidates(weights, neurons, params.layers, classifier)
    flat = entry.run(chosen, known, params, seed)
    ends = np.cumsum([candidate.weight.size for candidate in chosen])[:-1]
    masks = {c.name: c.mask(part) for c, part in zip(chosen, np.split(flat, ends), strict=True)}
    return Slice(masks, params.method, params.model_dump(mode="json"))


def make_channel_slice(
    params: Any,
    weights: Mapping[str, np.ndarray],
    neurons: NeuronMap,
    channels: ChannelMap,
    classifier: frozenset[str],
    seed: int,
    uses: Mapping[str, int] | None = None,
    known: Known = None,
) -> Slice:
    """Return the slice of whole channels computed by the method of `params`; otherwise like `make_slice`.

    `uses` are those of `hubslice.graph.uses`, if multiplications count instead of weights.

    Raises:
        SliceError: no channels can be removed from the layers that the recipe selects.
    """
    entry = slicer(params.method)
    assert entry.units is not None
    groups = eligible(channels, kinds_of(neurons), params.layers)
    shapes = {name: weight.shape for name, weight in weights.items() if name not in classifier}
    cutting = Cutting(groups, shapes, uses)
    kept = most_important(cutting, entry.units(groups, weights, seed, known), 1 - params.ratio, params.align)
    whole = left_whole(channels, classifier)
    return Slice(cutting.masks(kept), params.method, params.model_dump(mode="json"), whole)


def kinds_of(neurons: NeuronMap) -> dict[str, str]:
    """Return the kind of layer of each mapped weight."""
    return {layer.parameter: layer.kind for layer in neurons.layers}
