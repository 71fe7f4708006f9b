"""The slicing methods, and the one way to run them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hubslice.artefacts.profile import Profile
from hubslice.artefacts.slice import Slice
from hubslice.graph.neuron_map import NeuronMap
from hubslice.recipe.schema import MagnitudeParams, NoSlice, RandomParams, RemosParams
from hubslice.recipe.section import Section
from hubslice.slicing.candidates import candidates
from hubslice.slicing.remos import remos
from hubslice.slicing.simple import chance, magnitude


@dataclass(frozen=True)
class Slicer:
    """A method: `run(candidates, profile, params, seed)` gives flat relevance in canonical order.

    None: no weight is judged, so that all are relevant.
    """

    name: str
    title: str
    reference: str
    params: type[Section]
    run: Callable[..., np.ndarray] | None


SLICERS = (
    Slicer("remos", "ReMoS relevance slice", "https://doi.org/10.1145/3510003.3510191", RemosParams, remos),
    Slicer("magnitude", "Magnitude pruning", "https://arxiv.org/abs/1506.02626", MagnitudeParams, magnitude),
    Slicer("none", "No slice", "", NoSlice, None),
    Slicer("random", "Random slice", "https://arxiv.org/abs/1902.09574", RandomParams, chance),
)


def slicer(method: str) -> Slicer:
    """The registered method of this name."""
    return next(entry for entry in SLICERS if entry.name == method)


def make_slice(
    params: Any,
    weights: Mapping[str, np.ndarray],
    neurons: NeuronMap,
    profile: Profile,
    classifier: frozenset[str],
    seed: int,
) -> Slice:
    """The slice that the method of `params` makes; of `none` it judges no parameter.

    `weights` are the model's parameters by name, `classifier` the names of those that are never sliced.

    Raises:
        SliceError: the layers that the recipe selects do not exist, or the profile is of another model.
    """
    entry = slicer(params.method)
    if entry.run is None:
        return Slice({}, params.method)
    chosen = candidates(weights, neurons, params.layers, classifier)
    flat = entry.run(chosen, profile, params, seed)
    ends = np.cumsum([candidate.weight.size for candidate in chosen])[:-1]
    masks = {c.name: c.mask(part) for c, part in zip(chosen, np.split(flat, ends), strict=True)}
    return Slice(masks, params.method, params.model_dump(mode="json"))
