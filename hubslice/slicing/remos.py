"""ReMoS: reducing defect inheritance by relevant model slicing (Zhang et al., ICSE 2022, section 4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hubslice.artefacts.profile import Profile
from hubslice.recipe.slicing import RemosParams
from hubslice.slicing.candidates import Candidate
from hubslice.slicing.ranking import above_lowest, ascending_ranks


def remos(chosen: Sequence[Candidate], profile: Profile, params: RemosParams, seed: int) -> np.ndarray:
    """Return the relevant weights: flat booleans over all candidates, in canonical order.

    A weight's order is its coverage rank minus its magnitude rank, both ascending over the whole network; weights with
    the smallest orders, large weights that the task seldom uses, are irrelevant. All weights of a kernel slice share
    the coverage rank at which the slice starts. Ties keep the order layer, input channel, output channel.

    The authors' code sorts Python tuples and adds ranks in float32, which loses exactness above 2^24 weights; here
    ranks are integers. `magnitude: layer_scaled` is an extension: in compact networks the global magnitude rank empties
    the small early layers, whose weights are large.
    """
    del seed  # the method is deterministic
    coverage = np.concatenate([candidate.coverage(profile).reshape(-1) for candidate in chosen])
    kernel = np.concatenate([np.full(c.weight[..., 0].size, c.weight.shape[2]) for c in chosen])
    by_coverage = np.argsort(coverage, kind="stable")
    starts = np.empty_like(coverage)
    starts[by_coverage] = np.cumsum(kernel[by_coverage]) - kernel[by_coverage]
    order = np.repeat(starts, kernel)
    order -= ascending_ranks(np.concatenate([_magnitude(candidate, params) for candidate in chosen]))
    return above_lowest(order, params.ratio)


def _magnitude(candidate: Candidate, params: RemosParams) -> np.ndarray:
    size: np.ndarray = np.abs(candidate.weight).reshape(-1)
    if params.magnitude == "absolute":
        return size
    rms = float(np.sqrt(np.mean(np.square(size, dtype=np.float64))))
    scaled: np.ndarray = size / np.float32(rms or 1.0)
    return scaled
