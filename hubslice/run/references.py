"""What the teacher itself answers to a task whose classes it knows: the fair baselines of direct reuse.

SeaM compares its modules with the teacher as it is: on a group of classes with its answers among all classes, on one
class against the rest with its most probable class. Both handicap the teacher, which is not told the task. Told the
task, it chooses among the task's classes, or by a threshold on its odds that was tuned on the validation split.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

OTHER = -1  # an answer outside the task's classes

# Logits by split [n, teacher's classes], labels by split [n], and the teacher's columns behind each class of the task.
Rule = Callable[[Mapping[str, np.ndarray], Mapping[str, np.ndarray], Sequence[Sequence[int]]], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Reference:
    """A way to read the teacher's answers; `name` is that of its predictions in the evidence."""

    name: str
    title: str
    description: str
    rule: Rule


def _as_it_is(
    logits: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray], columns: Sequence[Sequence[int]]
) -> dict[str, np.ndarray]:
    """The most probable of all classes."""
    width = next(iter(logits.values())).shape[1]
    owner = np.full(width, OTHER)
    for index, own in enumerate(columns):
        owner[list(own)] = index
    return {split: owner[values.argmax(1)] for split, values in logits.items()}


def _restricted(
    logits: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray], columns: Sequence[Sequence[int]]
) -> dict[str, np.ndarray]:
    """The most probable of the task's classes."""
    best = {split: [values[:, list(own)].max(1) for own in columns] for split, values in logits.items()}
    return {split: np.stack(found, 1).argmax(1) for split, found in best.items()}


def _threshold(
    logits: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray], columns: Sequence[Sequence[int]]
) -> dict[str, np.ndarray]:
    """The first class where its odds against the second exceed the limit that is best on the validation split."""
    odds = {
        split: np.logaddexp.reduce(values[:, list(columns[0])], 1) - np.logaddexp.reduce(values[:, list(columns[1])], 1)
        for split, values in logits.items()
    }
    limit = best_limit(odds["validation"], labels["validation"] == 0)
    return {split: np.where(values > limit, 0, 1) for split, values in odds.items()}


def best_limit(values: np.ndarray, first: np.ndarray) -> float:
    """The limit above which values [n] best mark where `first` [n] is true; the middle between two of the values."""
    order = np.argsort(values, kind="stable")
    ranked, marks = values[order], first[order]
    # hits[i]: the i smallest values are told from the others.
    hits = np.concatenate([[0], np.cumsum(~marks)]) + np.concatenate([np.cumsum(marks[::-1])[::-1], [0]])
    between = np.concatenate([[ranked[0] - 1], (ranked[1:] + ranked[:-1]) / 2, [ranked[-1] + 1]])
    distinct = np.concatenate([[True], ranked[1:] > ranked[:-1], [True]])  # equal values cannot be told apart
    return float(between[np.where(distinct, hits, -1).argmax()])


AS_IT_IS = Reference(
    "teacher", "Teacher as it is", "its most probable class, of all that it knows (the paper's baseline)", _as_it_is
)
RESTRICTED = Reference(
    "teacher-restricted", "Teacher, restricted", "its most probable class among the task's", _restricted
)
THRESHOLD = Reference(
    "teacher-threshold",
    "Teacher, tuned threshold",
    "its odds for the class, above a limit tuned on the validation split",
    _threshold,
)


def references(*, against_rest: bool) -> tuple[Reference, ...]:
    """Those that make sense: with the rest as a class of its own, to restrict the teacher changes nothing."""
    return (AS_IT_IS, THRESHOLD) if against_rest else (AS_IT_IS, RESTRICTED)
