"""Which known pattern a trace is nearest to.

A nearest-centroid classifier: of each known pattern what its runs have in common, distances in deviations that single
runs of known patterns have from that (pooled over all of them), of which no number may have more than a few.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hubslice.core.errors import LineageError
from hubslice.verbs.execution.facts import Guess, Match, Sight
from hubslice.verbs.execution.features import BLOCKS, FLOORS, Blocks, pairs, shares, timing, unlike_pairs, unlike_shares
from hubslice.verbs.execution.trace import Pattern, Trace, combined

FEWEST: Final = 3  # runs of a pattern: fewer have no median that a disturbed one would not move
FAMILIAR: Final = 2.0  # distance up to which a model is taken for one of the known
_CAP: Final = 6.0  # deviations that one number may differ by: more says no more
_TOLD: Final = 10


@dataclass(frozen=True)
class _Seen:
    """What is compared of a trace."""

    blocks: Blocks
    pairs: Counter[tuple[str, str]]
    shares: dict[str, float]


@dataclass(frozen=True)
class _Centre:
    pattern: Pattern
    seen: _Seen


class Identifier:
    """Tells traces apart by patterns that are known."""

    def __init__(self, known: Sequence[Pattern]) -> None:
        """Learn what is known.

        Raises:
            LineageError: nothing is, or a pattern has too few runs.
        """
        if not known:
            raise LineageError("no pattern is known", hint="`hubslice patterns MODEL ... --out FILE`")
        for pattern in known:
            check_runs(len(pattern.traces))
        self.centres = [_Centre(pattern, _seen(pattern.typical)) for pattern in known]
        self.scales = _scales(self.centres)

    def distances(self, trace: Trace, sight: Sight) -> np.ndarray:
        """How far the trace is from each known pattern: float64 [patterns], the root mean square over blocks."""
        own = _seen(trace)
        found = np.zeros((len(self.centres), len(BLOCKS[sight])))
        for row, centre in enumerate(self.centres):
            for column, block in enumerate(BLOCKS[sight]):
                apart = _apart(own, centre.seen, block) / self.scales[block]
                found[row, column] = (np.minimum(apart, _CAP) ** 2).mean()
        distances: np.ndarray = np.sqrt(found.mean(1))
        return distances

    def guess(self, traces: Sequence[Trace], sight: Sight) -> Guess:
        """What repeated runs of one model say together, by what they have in common, and how each of them votes."""
        votes = Counter(int(self.distances(trace, sight).argmin()) for trace in traces)
        together = self.distances(combined(traces), sight)
        order = np.argsort(together, kind="stable")
        matches = [
            Match(
                model=self.centres[at].pattern.model,
                architecture=self.centres[at].pattern.architecture,
                stack=self.centres[at].pattern.stack,
                distance=round(float(together[at]), 4),
                votes=votes[int(at)],
            )
            for at in order
        ]
        best = matches[0]
        others = [match.distance for match in matches if match.architecture != best.architecture]
        return Guess(
            sight=sight,
            matches=tuple(matches[:_TOLD]),
            margin=round(others[0] / max(best.distance, 1e-4), 3) if others else None,
            familiar=best.distance <= FAMILIAR,
        )


def check_runs(count: int) -> None:
    """Nothing where so many runs make a pattern.

    Raises:
        LineageError: they are too few.
    """
    if count < FEWEST:
        raise LineageError(
            f"{count} {'run is' if count == 1 else 'runs are'} too few for a pattern: what repeated runs differ by is "
            "the measure of distances",
            hint=f"give --runs {FEWEST} or more; 10 are a good start",
        )


def _seen(trace: Trace) -> _Seen:
    return _Seen(timing(trace), pairs(trace), shares(trace))


def _apart(one: _Seen, other: _Seen, block: str) -> np.ndarray:
    match block:
        case "pairs":
            return np.array([unlike_pairs(one.pairs, other.pairs)])
        case "shares":
            return np.array([unlike_shares(one.shares, other.shares)])
        case _:
            apart: np.ndarray = np.abs(one.blocks[block] - other.blocks[block])
            return apart


def _scales(centres: Sequence[_Centre]) -> Blocks:
    """How far single runs are from their pattern, as a standard deviation for each number, at least its floor."""
    runs = [(_seen(trace), centre.seen) for centre in centres for trace in centre.pattern.traces]
    return {
        # 1.4826 medians of the absolute deviation are the standard deviation of a normal distribution.
        block: np.maximum(1.4826 * np.median([_apart(*pair, block) for pair in runs], axis=0), floor)
        for block, floor in FLOORS.items()
    }
