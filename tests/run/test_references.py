"""What the teacher answers to a task whose classes it knows, against answers that are looked up one by one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from hubslice.run.references import AS_IT_IS, OTHER, RESTRICTED, THRESHOLD, best_limit, references

COLUMNS = [[3], [1]]


def some_logits(rows: int = 40) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"validation": rng.normal(size=(rows, 5)), "test": rng.normal(size=(rows, 5))}


def some_labels(rows: int = 40) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {"validation": rng.integers(0, 2, rows), "test": rng.integers(0, 2, rows)}


def test_as_it_is_the_teacher_may_answer_with_any_class() -> None:
    logits = some_logits()
    found = AS_IT_IS.rule(logits, some_labels(), COLUMNS)["test"]
    wanted = [{3: 0, 1: 1}.get(int(row.argmax()), OTHER) for row in logits["test"]]
    assert found.tolist() == wanted
    assert OTHER in wanted


def test_restricted_it_chooses_among_the_tasks_classes() -> None:
    logits = some_logits()
    found = RESTRICTED.rule(logits, some_labels(), COLUMNS)["test"]
    assert found.tolist() == [0 if row[3] > row[1] else 1 for row in logits["test"]]


def test_the_threshold_is_the_best_on_validation() -> None:
    logits, labels = some_logits(), some_labels()
    columns = [[2], [0, 1, 3, 4]]

    def odds(row: np.ndarray) -> float:
        p = np.exp(row) / np.exp(row).sum()
        return float(np.log(p[2] / (1 - p[2])))

    values = [odds(row) for row in logits["validation"]]
    limits = sorted(values)
    tried = [limits[0] - 1, *((a + b) / 2 for a, b in pairwise(limits)), limits[-1] + 1]
    best = max(sum((v > t) == (y == 0) for v, y in zip(values, labels["validation"], strict=True)) for t in tried)
    found = THRESHOLD.rule(logits, labels, columns)
    assert int((found["validation"] == labels["validation"]).sum()) == best
    limit = best_limit(np.array(values), labels["validation"] == 0)
    assert found["test"].tolist() == [0 if odds(row) > limit else 1 for row in logits["test"]]


@pytest.mark.parametrize("values", [[1.0, 1.0, 1.0, 2.0], [0.0, 0.0, 0.0, 0.0]])
def test_equal_values_are_not_told_apart(values: list[float]) -> None:
    limit = best_limit(np.array(values), np.array([True, False, True, True]))
    assert limit not in values


def test_with_a_rest_nothing_is_left_to_restrict() -> None:
    assert [each.name for each in references(against_rest=True)] == ["teacher", "teacher-threshold"]
    assert [each.name for each in references(against_rest=False)] == ["teacher", "teacher-restricted"]
