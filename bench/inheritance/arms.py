"""The models that are compared: same teacher, data, training settings and seed; only the start differs."""

from __future__ import annotations

from hubslice.artefacts.report import BASELINE, CONTROL
from hubslice.pipeline.arms import Arm
from hubslice.recipe.schema import MagnitudeParams, RandomParams, RemosParams, Slicing

RETRAIN = "retrain"
SPARED = ("conv", "linear")  # depthwise kernels left alone
RATIOS = {
    "remos-published": (0.01, 0.03, 0.10),
    "remos-scaled": (0.01, 0.03, 0.10, 0.30),
    "magnitude": (0.10, 0.30, 0.60),
    "random": (0.03, 0.10, 0.30),
}
TITLES = {
    "remos-published": "ReMoS as published",
    "remos-scaled": "ReMoS, layer-scaled, depthwise spared",
    "magnitude": "Smallest magnitudes",
    "random": "Random weights",
}


def name_of(family: str, ratio: float) -> str:
    """The arm of a method at a ratio: `random-03` zeroes 3 % of the weights."""
    return f"{family}-{round(100 * ratio):02d}"


def _slicing(family: str, ratio: float) -> Slicing:
    match family:
        case "remos-published":
            return RemosParams(ratio=ratio)
        case "remos-scaled":
            return RemosParams(ratio=ratio, magnitude="layer_scaled", layers=SPARED)
        case "magnitude":
            return MagnitudeParams(ratio=ratio)
        case _:
            return RandomParams(ratio=ratio)


def arms() -> tuple[Arm, ...]:
    """The baselines and controls first, then every method at each of its ratios."""
    found = [
        Arm(BASELINE, "Fine-tuned", "baseline", "the whole teacher fine-tuned"),
        Arm(CONTROL, "Clean control", "control", "the clean teacher fine-tuned", teacher="pull.clean"),
        Arm(RETRAIN, "Retrained", "baseline", "trained from random weights", start="random"),
    ]
    for family, ratios in RATIOS.items():
        for ratio in ratios:
            title = f"{TITLES[family]}, {ratio:.0%}"
            found.append(Arm(name_of(family, ratio), title, "student", title, _slicing(family, ratio)))
    return tuple(found)
