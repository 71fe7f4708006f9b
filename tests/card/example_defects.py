"""Invented measurements of a backdoor and of an attack through the teacher's features."""

from __future__ import annotations

from hubslice.artefacts.report import DefectReport, DefectRow, DefectVariant
from hubslice.core.rate import Estimate, Rate, Reduction


def row(arm: str, source: str, wrong: int, right: int, collapse: int, asr: int | None = None) -> DefectRow:
    return DefectRow(
        arm=arm,
        source=source,
        dir=Rate(hits=wrong, total=right),
        collapse=Rate(hits=collapse, total=308),
        asr=None if asr is None else Rate(hits=asr, total=262),
    )


def estimate(value: float, low: float, high: float, n: int) -> Estimate:
    return Estimate(value=value, low=low, high=high, n=n)


def backdoor() -> DefectReport:
    variant = DefectVariant(
        name="trigger",
        title="patch of 18% of the side, bottom right",
        headline=True,
        rows=(
            row("finetune", "teacher", 228, 265, 246, 221),
            row("student", "teacher", 33, 259, 71, 24),
            row("retrain", "teacher", 21, 161, 74, 26),
            row("control", "teacher", 27, 263, 52, 9),
            row("teacher", "teacher", 256, 259, 303, 260),
        ),
        reduction=Reduction(
            baseline="finetune",
            difference=estimate(0.733, 0.674, 0.789, 308),
            relative=estimate(0.852, 0.802, 0.897, 308),
            common_difference=estimate(0.745, 0.684, 0.802, 243),
            common_relative=estimate(0.866, 0.817, 0.911, 243),
        ),
        evidence="backdoor-trigger.safetensors",
    )
    return DefectReport(
        kind="backdoor",
        title="Backdoor trigger",
        reference="https://arxiv.org/abs/1708.06733",
        threat_model=(
            "The attacker may have trained the teacher to answer a patch trigger, before anyone downloaded it, and has "
            "no part in making the student.",
            "The attacker stamps the same patch on any image that the student is shown, and changes nothing else.",
            "Whoever makes the student does not know the trigger: it is used for measuring alone.",
            "ASR counts triggered images of other classes that are taken for food.",
        ),
        samples=308,
        notes=("control comes from the clean teacher: its DIR is what the patch does by covering the image.",),
        variants=(variant,),
    )


def penultimate() -> DefectReport:
    rates = {  # objective -> budget -> wrong answers: student, finetune, retrain; noise and unrelated on the student
        "guided": {4: (22, 61, 13, 6, 9), 8: (47, 139, 24, 9, 15), 12: (68, 187, 33, 13, 22)},
        "feature_distance": {4: (19, 33, 12, 6, 8), 8: (24, 40, 21, 9, 14), 12: (31, 47, 30, 13, 19)},
    }
    titles = {"guided": "one feature guided up", "feature_distance": "features moved away"}
    reductions = {
        ("guided", 12): (
            estimate(0.443, 0.371, 0.514, 308),
            estimate(0.628, 0.545, 0.701, 308),
            estimate(0.461, 0.386, 0.535, 243),
            estimate(0.644, 0.560, 0.718, 243),
        ),
        ("feature_distance", 12): (estimate(0.058, -0.004, 0.119, 308), None, None, None),
    }
    variants = []
    for objective, budgets in rates.items():
        for eps, (student, finetune, retrain, noise, unrelated) in budgets.items():
            numbers = reductions.get((objective, eps))
            reduction = None
            if numbers is not None:
                reduction = Reduction(
                    baseline="finetune",
                    difference=numbers[0],
                    relative=numbers[1],
                    common_difference=numbers[2],
                    common_relative=numbers[3],
                )
            variants.append(
                DefectVariant(
                    name=f"{objective}-eps{eps}",
                    title=f"{titles[objective]}, eps {eps}/255",
                    headline=(objective, eps) == ("guided", 12),
                    rows=(
                        row("student", "teacher", student, 259, 40 + student),
                        row("finetune", "teacher", finetune, 265, 40 + finetune),
                        row("retrain", "teacher", retrain, 161, 40 + retrain),
                        row("student", "noise", noise, 259, 47),
                        row("student", "unrelated", unrelated, 259, 49),
                        row("finetune", "noise", noise - 2, 265, 45),
                        row("finetune", "unrelated", unrelated - 1, 265, 48),
                    ),
                    reduction=reduction,
                    evidence=f"penultimate-{objective}-eps{eps}.safetensors",
                    objective=titles[objective],
                    budget=eps,
                )
            )
    return DefectReport(
        kind="penultimate",
        title="Adversarial images from the teacher's features",
        reference="https://arxiv.org/abs/1904.04334",
        threat_model=(
            "The attacker has the teacher's weights and no access to the student: neither its weights, nor its "
            "answers, nor its training data or labels.",
            "The attacker may change every value of an image by at most eps/255 (L-infinity), eps in 4, 8, 12.",
            "The attack takes 40 sign-gradient steps of eps/10 on the teacher's penultimate features from one random "
            "start, and wants any mistake.",
        ),
        samples=308,
        notes=(),
        variants=tuple(variants),
    )
