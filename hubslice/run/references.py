"""The teacher's own predictions for a task whose classes it knows: the fair baselines of direct reuse.

SeaM compares its modules with the unchanged teacher: for a group of classes with its predictions among all classes, for
one class against the rest with its most probable class. Both disadvantage the teacher, which does not know the task.
With that knowledge, it chooses among the task's classes, or by a threshold on its odds tuned on the validation split.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

OTHER = -1  # a prediction outside the task's classes

# Logits by split [n, teacher's classes], labels by split [n], and the teacher's columns for each class of the task.
Rule = Callable[[Mapping[str, np.ndarray], Mapping[str, np.ndarray], Sequence[Sequence[int]]], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Reference:
    """A rule for interpreting the teacher's outputs; `name` is that of its predictions in the evidence."""

    name: str
    title: str
    description: str
    rule: Rule


def _as_it_is(
    logits: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray], columns: Sequence[Sequence[int]]
) -> dict[str, np.ndarray]:
    """Return the most probable of all classes."""
    width = next(iter(logits.values())).shape[1]
    owner = np.full(width, OTHER)
    for index, own in enumerate(columns):
        owner[list(own)] = index
    return {split: owner[values.argmax(1)] for split, values in logits.items()}


def _restricted(
    logits: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray], columns: Sequence[Sequence[int]]
) -> dict[str, np.ndarray]:
    """Return the most probable of the task's classes."""
    best = {split: [values[:, list(own)].max(1) for own in columns] for split, values in logits.items()}
    return {split: np.stack(found, 1).argmax(1) for split, found in best.items()}


def _threshold(
    logits: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray], columns: Sequence[Sequence[int]]
) -> dict[str, np.ndarray]:
    """Return the first class if its odds against the second exceed the threshold best on the validation split."""
    odds = {
        split: np.logaddexp.reduce(values[:, list(columns[0])], 1) - np.logaddexp.reduce(values[:, list(columns[1])], 1)
        for split, values in logits.items()
    }
    limit = best_limit(odds["validation"], labels["validation"] == 0)
    return {split: np.where(values > limit, 0, 1) for split, values in odds.items()}


def best_limit(values: np.ndarray, first: np.ndarray) -> float:
    """Return the threshold on values [n] that best predicts `first` [n]; the midpoint between two of the values."""
    order = np.argsort(values, kind="stable")
    ranked, marks = values[order], first[order]
    # hits[i]: correct if the i smallest values are separated from the others.
    hits = np.concatenate([[0], np.cumsum(~marks)]) + np.concatenate([np.cumsum(marks[::-1])[::-1], [0]])
    between = np.concatenate([[ranked[0] - 1], (ranked[1:] + ranked[:-1]) / 2, [ranked[-1] + 1]])
    distinct = np.concatenate([[True], ranked[1:] > ranked[:-1], [True]])  # equal values cannot be separated
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
    """Return the applicable references: with the rest as a class, restricting the teacher has no effect."""
    return (AS_IT_IS, THRESHOLD) if against_rest else (AS_IT_IS, RESTRICTED)
