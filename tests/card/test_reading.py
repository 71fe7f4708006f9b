from __future__ import annotations

import pytest

from hubslice.artefacts.report import DefectRow, DefectVariant
from hubslice.card import reading
from hubslice.core.rate import Estimate, Rate, Reduction
from tests.card.examples import REPORTS

REPORT = REPORTS["student-of-a-backdoored-teacher"]


def variant(low: float, value: float, high: float, relative: float | None = None) -> DefectVariant:
    estimate = Estimate(value=value, low=low, high=high, n=300)
    ratio = None if relative is None else Estimate(value=relative, low=relative - 0.1, high=relative + 0.1, n=300)
    reduction = Reduction(
        baseline="finetune", difference=estimate, relative=ratio, common_difference=None, common_relative=None
    )
    return DefectVariant(name="v", title="v", headline=True, rows=(), reduction=reduction, evidence="e")


def compared(student: int, baseline: int, control: int) -> DefectVariant:
    """Wrong answers out of 250 of the student and the baseline under the attack, and of the student under noise."""
    wrong = (("student", "teacher", student), ("finetune", "teacher", baseline), ("student", "noise", control))
    rows = tuple(
        DefectRow(arm=arm, source=source, dir=Rate(hits=hits, total=250), collapse=Rate(hits=0, total=250), asr=None)
        for arm, source, hits in wrong
    )
    return DefectVariant(name="v", title="v", headline=True, rows=rows, reduction=None, evidence="e")


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (variant(0.3, 0.4, 0.5, 0.7), ["Less inherited", "40.0 points [30.0, 50.0] lower", "70.0 % [60.0, 80.0]"]),
        (variant(0.05, 0.1, 0.15), ["Less inherited", "no ratio is given"]),
        (variant(-0.05, 0.05, 0.15), ["No difference shown", "[−5.0, 15.0]", "includes zero"]),
        (variant(0.0, 0.05, 0.15), ["No difference shown"]),
        (variant(-0.3, -0.2, -0.1), ["inherited more", "−20.0 points [−30.0, −10.0]"]),
    ],
)
def test_reduction_is_worded_by_what_its_interval_allows(case: DefectVariant, words: list[str]) -> None:
    said = reading.reduction_words(REPORT, case) or ""
    assert all(word in said for word in words), said


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (compared(100, 200, 10), "is above the highest control, 4.0 %"),
        (compared(12, 200, 10), "overlaps that of the highest control"),
        (compared(2, 200, 60), "is below the highest control"),
        (compared(12, 14, 10), "little to find here"),
    ],
)
def test_student_is_compared_with_the_highest_control(case: DefectVariant, words: str) -> None:
    assert words in (reading.control_words(REPORT, case) or "")


def test_without_reduction_or_controls_nothing_is_said() -> None:
    bare = compared(1, 2, 3).model_copy(update={"rows": ()})
    assert reading.reduction_words(REPORT, bare) is None
    assert reading.control_words(REPORT, bare) is None


@pytest.mark.parametrize(
    ("student", "words"),
    [(265, "as accurate as"), (259, "the difference may be chance"), (100, "do not overlap"), (308, "points above")],
)
def test_accuracy_is_compared_with_the_baseline(student: int, words: str) -> None:
    arms = (REPORT.arms[0].model_copy(update={"test": Rate(hits=student, total=308)}), *REPORT.arms[1:])
    assert words in (reading.accuracy_words(REPORT.model_copy(update={"arms": arms})) or "")
    assert reading.accuracy_words(REPORT.model_copy(update={"arms": arms[:1]})) is None
