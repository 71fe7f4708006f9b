"""The registry of searches by name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hubslice.deviation.genetic import evolve
from hubslice.deviation.image.inputs import IMAGES
from hubslice.deviation.neighbourhood import InputKind
from hubslice.deviation.outcome import Search
from hubslice.deviation.search import walk
from hubslice.recipe.deviation import SearchParams


@dataclass(frozen=True)
class Method:
    """A search for one seed."""

    name: str
    title: str
    reference: str
    start: Callable[[np.ndarray, np.random.Generator, SearchParams, InputKind], Search]


PAPER = "https://arxiv.org/abs/2112.02819"
METHODS = (
    Method("triggerfinder", "TriggerFinder, its faults mended", PAPER, walk),
    Method("released", "TriggerFinder as its authors' code behaves", PAPER, walk),
    Method("random", "random mutations, each gone on from", "", walk),
    Method("genetic", "a genetic search for uncertain answers", "https://www.ijcai.org/proceedings/2019/800", evolve),
)
_BY_NAME = {method.name: method for method in METHODS}


def start(seed: np.ndarray, params: SearchParams, input_kind: InputKind = IMAGES) -> Search:
    """Start the search for a seed, by default an image uint8 [C, H, W], with its own generator.

    The generator is seeded by `params.seed` and the seed's content, so that the result does not depend on which other
    seeds are searched, or in which order.
    """
    digest = hashlib.sha256(f"{seed.shape}".encode() + np.ascontiguousarray(seed).tobytes()).digest()
    rng = np.random.default_rng([params.seed, int.from_bytes(digest[:16], "little")])
    return _BY_NAME[params.method].start(seed, rng, params, input_kind)
