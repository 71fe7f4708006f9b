"""Turn numbers into sentences: what a report shows, and what it cannot show."""

from __future__ import annotations

from hubslice.artefacts.report import DefectVariant, Report
from hubslice.card.facts import (
    TEACHER,
    arm_title,
    baseline_of,
    controls_of,
    defect_words,
    headlines,
    row_of,
    student_of,
)
from hubslice.card.formats import count, inline, percent, points, rate, relative
from hubslice.core.escaping import LINE, markdown
from hubslice.core.rate import Rate
from hubslice.recipe.defects import attack_of
from hubslice.recipe.methods import recorded

ENOUGH = 200  # minimum clean-correct images that support a claim about a defect

CONTROLS = {
    "noise": "random noise of the same size (control)",
    "unrelated": "crafted on an unrelated network (control)",
}


def attack_words(kind: str, source: str) -> str:
    """Describe the attack of this row."""
    return attack_of(kind) if source == TEACHER else CONTROLS.get(source, source)


def model_words(report: Report, arm: str) -> str:
    """Return the model's title, with its role if that is not obvious."""
    found = report.arm(arm)
    if found is None:
        return "The teacher itself" if arm == TEACHER else markdown(arm)
    if found.role == "student":
        return f"**{markdown(found.title)}**"
    return markdown(found.title) if found.role in found.title.lower() else f"{markdown(found.title)} ({found.role})"


def accuracy_words(report: Report) -> str | None:
    """Compare the student's test accuracy with the baseline's, or None without a baseline."""
    student, baseline = student_of(report), baseline_of(report)
    if baseline is None or student.test.value is None or baseline.test.value is None:
        return None
    gap = student.test.value - baseline.test.value
    name = markdown(inline(baseline.title))
    if not round(1000 * gap):
        return f"On the test split the student is as accurate as the {name} baseline."
    verdict = f"{abs(100 * gap):.1f} points {'above' if gap > 0 else 'below'} the {name} baseline"
    if _overlap(student.test, baseline.test):
        return f"On the test split the student is {verdict}; the intervals overlap, so the difference may be chance."
    return f"On the test split the student is {verdict}, and the intervals do not overlap."


def majority_words(report: Report) -> str | None:
    """Describe the share of the largest class in the test split, which is the accuracy of always predicting it."""
    sizes = {each.label: next(iter(each.test.values())).total for each in report.classes if each.test}
    whole = sum(sizes.values())
    if not whole:
        return None
    label, size = max(sizes.items(), key=lambda item: item[1])
    return (
        f"The largest class, {markdown(label)}, has {percent(size / whole)} of the test images: always answering it "
        "would be right as often."
    )


def method_words(report: Report) -> str | None:
    """Describe how the method chose weights, in its own words, or None if it has none."""
    method = recorded(report.slice.method, report.slice.parameters)
    told = None if method is None else method.told()
    return None if told is None else markdown(told, LINE)


def search_words(report: Report) -> str | None:
    """Describe how the slice was found: target and result; None if it was not searched for."""
    history = report.search
    if history is None:
        return None
    of = f" of the {report.slice.counted}"
    target, drop = (report.slice.parameters.get(name) for name in ("retention", "max_accuracy_drop"))
    result, whole = history.result, percent(history.whole)
    margin = f"{100 * drop:.1f} points below the {whole} that" if drop else "what"
    floor = f"at a validation accuracy of at least {percent(history.floor)} ({margin} all of them reach)"
    wanted, choice, more = f"as few as possible {floor}", "The epoch within that which kept the fewest", ""
    if target is not None:
        wanted, choice = f"at most {percent(target)}{of} {floor}", "The first epoch with no more"
        if drop is None:
            wanted, more = f"at most {percent(target)}{of}", f"; all of them reach {whole}"
    elif (result.validation.value or 0.0) < history.floor:
        choice = "No epoch reached that. The one with the largest accuracy minus retention"
    return (
        f"They were searched for by gradient, wanted were {wanted}. {choice}, {history.chosen + 1} of "
        f"{count(len(history.epochs))}, kept {percent(result.retention)}{of}{network_words(report)} with a "
        f"validation accuracy of {rate(result.validation)}{more}."
    )


def network_words(report: Report) -> str:
    """Describe in brackets the share of the whole network that is kept, including layers that may not be sliced."""
    share = report.search.result.network if report.search else None
    return "" if share is None else f" of the layers that may be sliced ({percent(share)} of the whole network's)"


def reduction_words(report: Report, variant: DefectVariant) -> str | None:
    """Compare the student's rate with the baseline's, worded by what the intervals allow; None if not compared."""
    reduction = variant.reduction
    if reduction is None:
        return None
    name = markdown(inline(arm_title(report, reduction.baseline)))
    difference = reduction.difference
    if difference.low <= 0 <= difference.high:
        lower = f"The {name} baseline's rate minus the student's is {points(difference)}"
        return (
            f"**No difference shown.** {lower}, and the interval includes zero: these images do not tell whether the "
            f"student inherited less than the {name} baseline or more."
        )
    if difference.high < 0:
        gap = f"its rate minus the student's is {points(difference)}"
        return f"**The student inherited more than the {name} baseline**: {gap}."
    parts = [f"**Less inherited than by the {name} baseline**: {points(difference)} lower"]
    if reduction.relative is not None:
        parts.append(f", a reduction of {relative(reduction.relative)}")
    else:
        parts.append("; no ratio is given, because below a baseline rate of 20 % ratios are mostly noise")
    parts.append(".")
    common, ratio = reduction.common_difference, reduction.common_relative
    if common is not None:
        parts.append(f" On the {count(common.n)} images that both models classify correctly when clean: ")
        parts.append(f"{points(common)}{', ' + relative(ratio) if ratio is not None else ''}.")
    return "".join(parts)


def control_words(report: Report, variant: DefectVariant) -> str | None:
    """Describe whether student and baseline differ from the controls; None without controls or a student's rate."""
    student = row_of(variant, student_of(report).name)
    controls = controls_of(report, variant)
    if student is None or student.dir.value is None or not controls:
        return None
    highest = max(controls, key=lambda row: row.dir.value or 0.0).dir
    told = f"the highest control, {rate(highest)}"
    if _overlap(student.dir, highest):
        words = f"The student's interval overlaps that of {told}: what is left may be the disturbance as such."
    elif student.dir.value > (highest.value or 0.0):
        words = f"The student's rate is above {told}: part of the defect is inherited still."
    else:
        words = f"The student's rate is below {told}."
    rival = baseline_of(report)
    baseline = row_of(variant, rival.name) if rival else None
    if baseline is not None and baseline.dir.total and _at_most(baseline.dir, highest):
        words += " The baseline does not rise above it either, so this attack had little to find here."
    return words


def thin_evidence(report: Report) -> list[tuple[str, int]]:
    """Return headline defects with too few clean-correct images for a claim: (defect and threat model, images)."""
    student = student_of(report).name
    found = [(defect, variant, row_of(variant, student)) for defect in report.defects for variant in headlines(defect)]
    return [(defect_words(d, v), row.dir.total) for d, v, row in found if row and row.dir.total < ENOUGH]


def _at_most(one: Rate, other: Rate) -> bool:
    return _overlap(one, other) or (one.value or 0.0) < (other.value or 0.0)


def _overlap(one: Rate, other: Rate) -> bool:
    if one.interval is None or other.interval is None:
        return True
    return one.interval[0] <= other.interval[1] and other.interval[0] <= one.interval[1]
