"""An invented measurement of what a student's teacher gives away, and of the fine-tuned baseline's."""

from __future__ import annotations

from hubslice.artefacts.exposure import LayerChange, Leading, Obtained
from hubslice.artefacts.report import ExposedArm, ExposureReport, LineageReport
from hubslice.core.rate import Rate

LAYERS = ("classifier", "bn2", "conv_head", "blocks.6.0.bn3", "blocks.5.3.conv_pwl", "blocks.3.2.conv_pw", "conv_stem")
WEIGHTS = (0.004, 0.005, 0.126, 0.127, 0.342, 0.711, 1.0)
FRACTIONS = (0, 1, 2, 3, 4, 5, 6, 23)
AGREEING = (38, 54, 120, 194, 221, 245, 250, 256)


def curve(bits: float, agreements: tuple[int, ...]) -> tuple[Obtained, ...]:
    """Agreement on 256 images; of each 32 bits so many as the share `bits` lie below the highest that changed."""
    return tuple(
        Obtained(layer=layer, weights=share, bits=round(WEIGHTS[0] + bits * (share - WEIGHTS[0]), 6), agreement=n / 256)
        for layer, share, n in zip(LAYERS, WEIGHTS, agreements, strict=True)
    )


def leading(first: float, more: int) -> tuple[Leading, ...]:
    """From the share `first` of the bits on; `more` images agree than without a teacher."""
    return tuple(
        Leading(fraction=fraction, bits=round(first + 0.025 * fraction, 6), agreement=min(256, n + more) / 256)
        for fraction, n in zip(FRACTIONS, AGREEING, strict=True)
    )


def exposed(arm: str, points: tuple[Obtained, ...], at: int, first: float) -> ExposedArm:
    below, alone = leading(first, 9), leading(0.281, 0)
    return ExposedArm(
        arm=arm,
        exposure=round(1 - below[5].bits / alone[5].bits, 6),
        start=points[0].agreement,
        weights_needed=points[at].weights,
        bits_needed=below[5].bits,
        bits_alone=alone[5].bits,
        curve=points,
        leading=below,
        alone=alone,
    )


def exposure() -> ExposureReport:
    return ExposureReport(
        inputs=256,
        goal=0.94,
        shared=0.996,
        arms=(
            exposed("student", curve(0.78, (31, 34, 61, 88, 171, 243, 256)), 5, 0.06),
            exposed("finetune", curve(0.71, (92, 101, 158, 190, 244, 251, 256)), 4, 0.02),
        ),
        least_changed=(
            LayerChange(layer="conv_stem", weights=864, relative=0.0121, unchanged=0.0009, bits=19.8),
            LayerChange(layer="blocks.0.0.conv_dw", weights=288, relative=0.0174, unchanged=0.0, bits=20.3),
        ),
        lineage=LineageReport(
            verdict="descendant",
            score=0.8714,
            threshold=0.15,
            compared=0.9962,
            aligned=False,
            families=12,
            missed=Rate(hits=0, total=124),
            mistaken=Rate(hits=0, total=1048),
        ),
        facts="exposure.json",
        evidence="exposure.safetensors",
    )
