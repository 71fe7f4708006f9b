"""Find the known pattern that is closest to a trace.

A nearest-centroid classifier: the centroid is what the runs of a pattern have in common, and distances are in
deviations that single runs of known patterns have from it (pooled over all of them), clipped for each value.
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

FEWEST: Final = 3  # runs of a pattern: a median of fewer is affected by a single disturbed one
FAMILIAR: Final = 2.0  # maximum distance of a familiar model
_CAP: Final = 6.0  # maximum deviations of one value: more carry no more information
_TOLD: Final = 10


@dataclass(frozen=True)
class _Seen:
    """The compared features of a trace."""

    blocks: Blocks
    pairs: Counter[tuple[str, str]]
    shares: dict[str, float]


@dataclass(frozen=True)
class _Centre:
    pattern: Pattern
    seen: _Seen


class Identifier:
    """Identifies traces by known patterns."""

    def __init__(self, known: Sequence[Pattern]) -> None:
        """Fit to the known patterns.

        Raises:
            LineageError: there are none, or a pattern has too few runs.
        """
        if not known:
            raise LineageError("no pattern is known", hint="`hubslice patterns MODEL ... --out FILE`")
        for pattern in known:
            check_runs(len(pattern.traces))
        self.centres = [_Centre(pattern, _seen(pattern.typical)) for pattern in known]
        self.scales = _scales(self.centres)

    def distances(self, trace: Trace, sight: Sight) -> np.ndarray:
        """Return the trace's distance to each known pattern: float64 [patterns], the root mean square over blocks."""
        own = _seen(trace)
        found = np.zeros((len(self.centres), len(BLOCKS[sight])))
        for row, centre in enumerate(self.centres):
            for column, block in enumerate(BLOCKS[sight]):
                apart = _apart(own, centre.seen, block) / self.scales[block]
                found[row, column] = (np.minimum(apart, _CAP) ** 2).mean()
        distances: np.ndarray = np.sqrt(found.mean(1))
        return distances

    def guess(self, traces: Sequence[Trace], sight: Sight) -> Guess:
        """Identify repeated runs of one model together, by what they have in common, with a vote of each."""
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
    """Check that there are enough runs for a pattern.

    Raises:
        LineageError: there are too few.
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
    """Return the deviation of single runs from their pattern, as a standard deviation per value, at least its floor."""
    runs = [(_seen(trace), centre.seen) for centre in centres for trace in centre.pattern.traces]
    return {
        # 1.4826 times the median absolute deviation is the standard deviation of a normal distribution.
        block: np.maximum(1.4826 * np.median([_apart(*pair, block) for pair in runs], axis=0), floor)
        for block, floor in FLOORS.items()
    }
