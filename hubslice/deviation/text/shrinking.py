"""Reduce a text trigger's difference to its seed while the models still deviate."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable

from rapidfuzz.distance import Levenshtein

from hubslice.deviation.answers import Answers
from hubslice.deviation.neighbourhood import SHRINKING
from hubslice.deviation.text.edits import applied, hunks


def shrink_text(
    seed: str,
    trigger: str,
    answers: Answers,
    deviates: Callable[[Answers], bool],
    reading: Callable[[str], Hashable],
) -> Generator[str, Answers, tuple[str, Answers, int]]:
    """Return a trigger with fewer changed characters, its answers, and the number of queries.

    Differences to the seed are reverted, half of them at first, then in groups halved in size down to single ones (the
    idea of delta debugging). Differences that do not affect the models' tokens are reverted without a query.
    """
    asked = 0
    kept = hunks(seed, trigger)
    size = (len(kept) + 1) // 2
    while size >= 1:
        start = 0
        while start < len(kept):
            rest = kept[:start] + kept[start + size :]
            candidate = applied(seed, rest)
            if not rest or Levenshtein.distance(seed, candidate) >= Levenshtein.distance(seed, trigger):
                start += size
                continue
            if reading(candidate) == reading(trigger):
                kept, trigger = rest, candidate
                continue
            if asked == SHRINKING:
                return trigger, answers, asked
            told = yield candidate
            asked += 1
            if deviates(told):
                kept, trigger, answers = rest, candidate, told
            else:
                start += size
        size = 0 if size == 1 else (size + 1) // 2
    return trigger, answers, asked
