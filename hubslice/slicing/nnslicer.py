"""NNSlicer, dynamic slicing of neural networks (Zhang et al., FSE 2020), as a ranking of weights and channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hubslice.artefacts.contributions import Contributions
from hubslice.core.errors import SliceError
from hubslice.graph.channel_groups import ChannelGroup
from hubslice.recipe.nnslicer import NnslicerParams
from hubslice.slicing.candidates import Candidate


def nnslicer(chosen: Sequence[Candidate], found: Contributions, params: NnslicerParams, seed: int) -> np.ndarray:
    """Return the relevant weights: flat booleans over all candidates, in canonical order.

    The fraction `ratio` of each layer with the smallest contributions is irrelevant, as published. The paper does not
    say how ties are broken; many weights of late layers contribute to nothing, and among those the smallest magnitudes
    are removed first.

    Raises:
        SliceError: the contributions belong to another model.
    """
    del seed  # the method is deterministic
    relevant = []
    for candidate in chosen:
        uses = candidate.ordered(_of(candidate.name, found)).reshape(-1)
        relevant.append(above_smallest(uses, np.abs(candidate.weight).reshape(-1), params.ratio))
    return np.concatenate(relevant)


def above_smallest(uses: np.ndarray, sizes: np.ndarray, ratio: float) -> np.ndarray:
    """Return True for all but the fraction `ratio` with the smallest uses, ties broken by smaller sizes; bool [n]."""
    above = np.ones(uses.size, bool)
    above[np.lexsort((sizes, uses))[: int(uses.size * ratio)]] = False
    return above


def unit_contributions(
    groups: Sequence[ChannelGroup], weights: Mapping[str, np.ndarray], seed: int, found: Contributions
) -> list[np.ndarray]:
    """Return the contributions of each unit's weights divided by the mean of its group: float [units] each.

    Raises:
        SliceError: the contributions belong to another model.
    """
    del seed
    importance = []
    for group in groups:
        sums = np.zeros(group.units)
        for part in group.makes:
            if part.tensor in weights and weights[part.tensor].ndim > 1:  # biases and normalisation have none
                uses = _of(part.tensor, found, weights[part.tensor].shape)
                along = uses.sum(axis=tuple(axis for axis in range(uses.ndim) if axis != part.axis))
                sums += along[part.entries].sum(1)
        importance.append(sums / max(sums.mean(), np.finfo(float).tiny))
    return importance


def _of(name: str, found: Contributions, shape: tuple[int, ...] | None = None) -> np.ndarray:
    uses = found.weights.get(name)
    if uses is None or (shape is not None and uses.shape != shape):
        raise SliceError(
            f"nothing is known of what {name} contributes: no way leads through it from the answer to the sample",
            hint=f"leave it out with slice.layers ('!{name}')",
        )
    return uses
