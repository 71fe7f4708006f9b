"""Baseline slices that do not depend on the task: magnitude pruning and random."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hubslice.artefacts.profile import Profile
from hubslice.recipe.slicing import MagnitudeParams, RandomParams
from hubslice.slicing.candidates import Candidate
from hubslice.slicing.ranking import above_lowest


def magnitude(chosen: Sequence[Candidate], profile: Profile, params: MagnitudeParams, seed: int) -> np.ndarray:
    """Return the relevant weights: all but the smallest magnitudes of the network, flat booleans, canonical order."""
    del profile, seed
    sizes = np.concatenate([np.abs(candidate.weight).reshape(-1) for candidate in chosen])
    return above_lowest(sizes, params.ratio)


def chance(chosen: Sequence[Candidate], profile: Profile, params: RandomParams, seed: int) -> np.ndarray:
    """Return the relevant weights: a seeded random choice, flat booleans in canonical order."""
    del profile
    total = sum(candidate.weight.size for candidate in chosen)
    return above_lowest(np.random.default_rng(seed).random(total), params.ratio)
