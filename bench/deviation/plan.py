"""What is searched: pairs, ways to search, random seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .pairs import LARGE_SEEDS, NAMES, SEEDS

BUDGET, LARGE_BUDGET = 2000, 1000
LINF = 16 / 255


@dataclass(frozen=True)
class Way:
    """A way to search, as options of `hubslice.diff`."""

    title: str
    options: Mapping[str, object] = field(default_factory=dict)


OURS, PAPER, RELEASED, RANDOM, GENETIC = "margin", "paper", "released", "random", "genetic"
WAYS = {  # of the comparison
    OURS: Way("hubslice: margin"),
    PAPER: Way("TriggerFinder, mended", {"fitness": "difference", "novelty": True, "patience": 0}),
    RELEASED: Way("TriggerFinder, as released", {"method": "released"}),
    GENETIC: Way("genetic search", {"method": "genetic"}),
    RANDOM: Way("random mutations", {"method": "random"}),
}
PARTS = {  # what the parts of ours are worth
    "margin-stubborn": Way("margin, never taking what it refused", {"patience": 0}),
    "margin-novelty": Way("margin and novelty", {"novelty": True}),
    "difference": Way("difference", {"fitness": "difference"}),
    "margin-uniform": Way("margin, operators drawn alike", {"operators": "uniform"}),
    "margin-adaptive": Way("margin, operators by Thompson sampling", {"operators": "adaptive"}),
}
BOUNDS: Mapping[str, Mapping[str, object]] = {
    "16": {"max_linf": LINF},
    "ssim": {"min_ssim": 0.9},
    "16-shrunk": {"max_linf": LINF, "minimise": True},
}
BOUNDED_WAYS = (OURS, "margin-stubborn", GENETIC)
BOUND_TITLES = {
    "16": "at most 16/255",
    "ssim": "SSIM 0.9 at least",
    "16-shrunk": "at most 16/255, then shrunk",
}
ALL_WAYS = WAYS | PARTS
SEEDED = ("vgg-pruned", "resnet-distilled")  # pairs that all ways search with every random seed
TAKEN_APART = ("lenet-int8", "vgg-int8")  # pairs on which the parts are compared
BOUNDED_LARGE = "lite0-int8"
RANDOM_SEEDS, PARTS_SEEDS = range(5), range(3)


@dataclass(frozen=True)
class Trial:
    """One search of a pair's seeds."""

    pair: str
    way: str
    seed: int = 0
    bound: str = ""
    limit: int = SEEDS
    budget: int = BUDGET

    @property
    def name(self) -> str:
        """What its outcome is called."""
        return "-".join(filter(None, (self.pair, self.way, self.bound, str(self.seed))))

    @property
    def options(self) -> dict[str, object]:
        """All options of the search."""
        own = ALL_WAYS[self.way].options | BOUNDS.get(self.bound, {})
        return {**own, "seed": self.seed, "limit": self.limit, "budget": self.budget}


def trials() -> Iterator[Trial]:
    """All, the comparison first."""
    for seed in RANDOM_SEEDS:
        for pair in NAMES:
            large = pair in LARGE
            for way in WAYS:
                if seed == 0 or pair in SEEDED or (pair in TAKEN_APART and way in (OURS, GENETIC)):
                    yield _trial(pair, way, seed, large)
        for pair in TAKEN_APART if seed in PARTS_SEEDS else ():
            for way in PARTS:
                yield _trial(pair, way, seed, large=False)
    for bound in BOUNDS:
        for pair in (*TAKEN_APART, BOUNDED_LARGE):
            for way in BOUNDED_WAYS:
                limit, budget = (LARGE_SEEDS, 300) if pair in LARGE else (100, 1000)
                yield Trial(pair, way, 0, bound, limit, budget)


LARGE = frozenset(NAMES[-3:])


def _trial(pair: str, way: str, seed: int, large: bool) -> Trial:
    if large:
        return Trial(pair, way, seed, limit=LARGE_SEEDS, budget=LARGE_BUDGET)
    return Trial(pair, way, seed)
