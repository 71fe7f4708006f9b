"""Select the parts of a report that card and plots show: models in order, headline defects, curves, plot names."""

from __future__ import annotations

from dataclasses import dataclass

from hubslice.artefacts.report import ArmReport, ClassReport, DefectReport, DefectRow, DefectVariant, Report
from hubslice.core.rate import Rate

ACCURACY_PLOT = "plots/accuracy_and_defects.png"
RETENTION_PLOT = "plots/retention.png"
CURVE_PLOT = "plots/defect_curve.png"
SEARCH_PLOT = "plots/search.png"
EXPOSURE_PLOT = "plots/exposure.png"

TEACHER = "teacher"  # an attack's source, and the name of the teacher's own row
SOURCES = (TEACHER, "noise", "unrelated")
ROLES = ("student", "baseline", "control")


def ordered_arms(report: Report) -> tuple[ArmReport, ...]:
    """Return the student, then the baselines, then the controls."""
    return tuple(sorted(report.arms, key=lambda arm: ROLES.index(arm.role)))


def student_of(report: Report) -> ArmReport:
    """Return the report's student."""
    return next(arm for arm in report.arms if arm.role == "student")


def baseline_of(report: Report) -> ArmReport | None:
    """Return the baseline for comparison: plain fine-tuning, else the first one, else None."""
    baselines = [arm for arm in report.arms if arm.role == "baseline"]
    return next((arm for arm in baselines if arm.name == "finetune"), baselines[0] if baselines else None)


def class_columns(report: Report) -> dict[str, str]:
    """Return the models whose accuracies are shown by class: titles by name."""
    titles = {arm.name: arm.title for arm in report.arms} | {each.name: each.title for each in report.references}
    names = report.classes[0].test if report.classes else ()
    return {name: titles.get(name, name) for name in names}


def weakest_first(report: Report) -> tuple[ClassReport, ...]:
    """Return the classes by the student's accuracy, the lowest first; those without test images are last."""
    student = student_of(report).name

    def accuracy(each: ClassReport) -> float:
        value = each.test[student].value if student in each.test else None
        return 2.0 if value is None else value

    return tuple(sorted(report.classes, key=accuracy))


def headlines(defect: DefectReport) -> tuple[DefectVariant, ...]:
    """Return the headline variants of the defect; all of them if none is marked."""
    return tuple(variant for variant in defect.variants if variant.headline) or defect.variants


def defect_words(defect: DefectReport, variant: DefectVariant) -> str:
    """Return the defect's title, with the variant's if there are several."""
    return defect.title if len(headlines(defect)) == 1 and variant.headline else f"{defect.title}: {variant.title}"


def row_of(variant: DefectVariant, arm: str, source: str = TEACHER) -> DefectRow | None:
    """Return the row of this model under the attack from this source, or None."""
    return next((row for row in variant.rows if (row.arm, row.source) == (arm, source)), None)


def ordered_rows(report: Report, variant: DefectVariant) -> tuple[DefectRow, ...]:
    """Return rows by source of the attack (the teacher's first), then student, baselines, controls, teacher."""
    arms = [arm.name for arm in ordered_arms(report)]

    def place(row: DefectRow) -> tuple[int, int]:
        source = SOURCES.index(row.source) if row.source in SOURCES else len(SOURCES)
        return source, arms.index(row.arm) if row.arm in arms else len(arms)

    return tuple(sorted(variant.rows, key=place))


def controls_of(report: Report, variant: DefectVariant) -> tuple[DefectRow, ...]:
    """Return the rows of controls: the student under control attacks, and control arms."""
    names = {arm.name for arm in report.arms if arm.role == "control"}
    student = student_of(report).name
    return tuple(
        row
        for row in ordered_rows(report, variant)
        if row.dir.total
        and ((row.arm in names and row.source == TEACHER) or (row.arm == student and row.source != TEACHER))
    )


def arm_title(report: Report, name: str) -> str:
    """Return the model's title in tables and plots."""
    arm = report.arm(name)
    return arm.title if arm else name


@dataclass(frozen=True)
class Curve:
    """One defect's rates over the budgets of one objective, weakest first."""

    defect: DefectReport
    objective: str
    variants: tuple[DefectVariant, ...]

    def rates(self, arm: str, source: str) -> list[tuple[int, Rate]]:
        """Return (budget, DIR) of this model where it was measured."""
        points = [(variant.budget, row_of(variant, arm, source)) for variant in self.variants]
        return [(budget, row.dir) for budget, row in points if budget is not None and row and row.dir.total]


def curves_of(report: Report) -> tuple[Curve, ...]:
    """Return every objective that was measured at two budgets or more."""
    curves = []
    for defect in report.defects:
        for objective in dict.fromkeys(variant.objective for variant in defect.variants):
            variants = [v for v in defect.variants if v.objective == objective and v.budget is not None]
            if len(variants) > 1:
                variants.sort(key=lambda variant: variant.budget or 0)
                curves.append(Curve(defect, objective or "", tuple(variants)))
    return tuple(curves)


def whole_by_reason(report: Report) -> dict[str, list[str]]:
    """Return the layers that cannot lose channels, by reason."""
    found: dict[str, list[str]] = {}
    for layer, reason in report.slice.whole.items():
        found.setdefault(reason, []).append(layer)
    return found


def floor_of(report: Report) -> float | None:
    """Return the validation accuracy that a search had to keep; None if there was no limit."""
    asked = report.slice.parameters
    target_alone = asked.get("retention") is not None and asked.get("max_accuracy_drop") is None
    return None if report.search is None or target_alone else report.search.floor


def plots_of(report: Report) -> tuple[str, ...]:
    """Return the plots of this report's card, by path within the repository."""
    there = {
        ACCURACY_PLOT: True,
        RETENTION_PLOT: bool(report.slice.layers),
        SEARCH_PLOT: report.search is not None,
        CURVE_PLOT: bool(curves_of(report)),
        EXPOSURE_PLOT: report.exposure is not None,
    }
    return tuple(path for path, drawn in there.items() if drawn)
