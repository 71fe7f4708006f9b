"""What is compared: two ways of training, and for each the models that differ in their start alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hubslice.artefacts.report import BASELINE, CONTROL
from hubslice.recipe.seam import SeamParams
from hubslice.recipe.slicing import MagnitudeParams, RandomParams, RemosParams, Slicing
from hubslice.run.arms import Arm

RETRAIN = "retrain"
ALL = ("conv", "depthwise", "linear")
SPARED = ("conv", "linear")  # depthwise kernels left alone
TITLES = {
    "remos-published": "ReMoS as published",
    "remos-scaled": "ReMoS, layer-scaled, depthwise spared",
    "magnitude": "Smallest magnitudes",
    "random": "Random weights",
    "seam": "SeaM",
}
BASELINES = {
    BASELINE: Arm(BASELINE, "Fine-tuned", "baseline", "the whole teacher fine-tuned"),
    CONTROL: Arm(CONTROL, "Clean control", "control", "the clean teacher fine-tuned", teacher="pull.clean"),
    RETRAIN: Arm(RETRAIN, "Retrained", "baseline", "trained from random weights", start="random"),
}


@dataclass(frozen=True)
class Setting:
    """One way of training all arms: recipe overrides, which baselines, and the ratios of each method."""

    name: str
    title: str
    overrides: tuple[str, ...]
    baselines: tuple[str, ...]
    ratios: Mapping[str, tuple[float, ...]]

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The baselines and controls first, then every method at each of its ratios."""
        sliced = [_arm(family, ratio) for family, ratios in self.ratios.items() for ratio in ratios]
        return (*(BASELINES[name] for name in self.baselines), *sliced)


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting(
            "brisk",
            "lr 0.06, as the demo trains",
            ("train.lr=0.06", "train.head_lr_factor=1.5"),
            (BASELINE, CONTROL, RETRAIN),
            {
                "remos-published": (0.01, 0.03, 0.10),
                "remos-scaled": (0.01, 0.03, 0.10, 0.30),
                "magnitude": (0.30, 0.60),
                "random": (0.03, 0.10),
            },
        ),
        Setting(
            "searched",
            "lr 0.06, as the demo trains; slices that are searched for",
            ("train.lr=0.06", "train.head_lr_factor=1.5"),
            (BASELINE,),
            {"seam": (0.40, 0.60)},
        ),
        Setting(
            "gentle",
            "lr 0.01, which keeps the teacher's features, and with them its adversarial weaknesses",
            ("train.lr=0.01", "train.head_lr_factor=9"),
            (BASELINE,),
            {"remos-published": (0.03,), "remos-scaled": (0.01, 0.03), "random": (0.03, 0.10)},
        ),
        Setting(
            "gentle-searched",
            "lr 0.01; slices that are searched for",
            ("train.lr=0.01", "train.head_lr_factor=9"),
            (BASELINE,),
            {"seam": (0.40, 0.60)},
        ),
    )
}


def name_of(family: str, ratio: float) -> str:
    """The arm of a method at a ratio: `random-03` zeroes 3 % of the weights."""
    return f"{family}-{round(100 * ratio):02d}"


def _arm(family: str, ratio: float) -> Arm:
    title = (
        f"{TITLES[family]}, {ratio:.0%}"
        if family != "seam"
        else f"{TITLES[family]}, searched for down to {1 - ratio:.0%}"
    )
    return Arm(name_of(family, ratio), title, "student", title, _slicing(family, ratio))


def _slicing(family: str, ratio: float) -> Slicing:
    match family:
        case "remos-published":
            return RemosParams(ratio=ratio, magnitude="absolute", layers=ALL)
        case "remos-scaled":
            return RemosParams(ratio=ratio, magnitude="layer_scaled", layers=SPARED)
        case "magnitude":
            return MagnitudeParams(ratio=ratio, layers=ALL)
        case "seam":
            # All scores start at 1, as published: by rank, the small weights go, and the backdoor's are large.
            return SeamParams(
                retention=round(1 - ratio, 2),
                start="equal",
                alpha=100.0,
                lr_mask=0.02,
                lr_head=0.003,
                head_epochs=3,
                epochs=30,
            )
        case _:
            return RandomParams(ratio=ratio, layers=ALL)
