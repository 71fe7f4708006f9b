"""The arms of a run: the student, its baselines, and a control from the clean teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hubslice.artefacts.report import BASELINE, CONTROL, STUDENT
from hubslice.models.label_names import LabelNames
from hubslice.recipe.schema import SliceRecipe
from hubslice.recipe.section import Section
from hubslice.recipe.slicing import (
    ChannelSlicing,
    MagnitudeParams,
    Method,
    RandomParams,
)


@dataclass(frozen=True)
class Arm:
    """A trained model and its teacher; training settings and seed are the same for all arms of a run."""

    name: str
    title: str
    role: Literal["student", "baseline", "control"]
    description: str
    slicing: Method | None = None
    matched: bool = False  # keeps as much as the student, instead of the share in its own parameters
    start: Literal["teacher", "random"] = "teacher"
    teacher: Literal["pull", "pull.clean"] = "pull"


def suffix_of(arm: Arm) -> str:
    """Return the suffix of an arm's step names; empty for the student."""
    return "" if arm.name == STUDENT else arm.name


def step_name(kind: str, arm: Arm) -> str:
    """Return the name of an arm's step."""
    return f"{kind}.{arm.name}" if suffix_of(arm) else kind


def arms_of(recipe: SliceRecipe) -> tuple[Arm, ...]:
    """Return the student, then the baselines in the recipe's order, then the control if a clean teacher is known."""
    whole = not recipe.slice.slices
    arms = [Arm(STUDENT, "Student", "student", _student(recipe), recipe.slice)]
    names = dict.fromkeys((BASELINE, *recipe.baselines))
    arms += [_baseline(name, recipe) for name in names if not (whole and name == BASELINE)]
    if clean_teacher(recipe) is not None:
        arms.append(
            Arm(CONTROL, "Clean control", "control", "the clean teacher, fine-tuned as a whole", teacher="pull.clean")
        )
    return tuple(arms)


def clean_teacher(recipe: SliceRecipe) -> str | None:
    """Return the clean original that a backdoor audit names, if any."""
    return next((model for defect in recipe.audit.defects if (model := defect.clean_original) is not None), None)


def reuses_classifier(recipe: SliceRecipe) -> bool:
    """Return whether the students' classifiers are made from the teacher's, which knows the task's classes."""
    return recipe.slice.reuses_classifier


def trains(recipe: SliceRecipe) -> bool:
    """Return whether models are trained at all."""
    return any(point.epochs for point in recipe.train.candidates())


class KnownLabels(Section):
    """The teacher's labels for each of the task's, if its classifier is reused."""

    classes: tuple[str, ...]
    against_rest: bool

    def behind(self, teacher: tuple[str, ...], task: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
        """Return the teacher's labels by label of the task."""
        if self.against_rest:
            names = LabelNames(teacher)
            own = {place for name in self.classes for place in names.places(name)}
            return self.classes, tuple(label for place, label in enumerate(teacher) if place not in own)
        return tuple((label,) for label in task)


def known_labels(recipe: SliceRecipe) -> KnownLabels | None:
    """Return the teacher's labels for the task under direct reuse; else None."""
    if not reuses_classifier(recipe):
        return None
    return KnownLabels(classes=tuple(recipe.data.classes or ()), against_rest=recipe.data.against_rest)


def _student(recipe: SliceRecipe) -> str:
    if recipe.slice.slices:
        return f"sliced with {recipe.slice.method}, {_training(recipe, 'its classifier trained')}"
    return "trained from random weights" if recipe.teacher.weights == "random" else "the whole teacher fine-tuned"


def _baseline(name: str, recipe: SliceRecipe) -> Arm:
    match name:
        case "retrain":
            return Arm(name, "Retrained", "baseline", "the architecture trained from random weights", start="random")
        case "magnitude":
            about = f"the smallest weights {_fate(recipe)}"
            return _sliced(name, "Magnitude slice", about, recipe, MagnitudeParams)
        case "random":
            counted = "multiplications" if recipe.slice.counts_macs else "weights"
            about = f"as many {counted}, by chance, {_fate(recipe)}"
            return _sliced(name, "Random slice", about, recipe, RandomParams)
        case _:
            if recipe.train.part == "classifier":
                about = "the whole teacher under the same classifier, trained likewise"
                return Arm(BASELINE, "Whole teacher", "baseline", about)
            if not trains(recipe):
                return Arm(BASELINE, "Whole teacher", "baseline", "the whole teacher under the same classifier")
            return Arm(BASELINE, "Fine-tuned", "baseline", "the whole teacher fine-tuned, the usual way")


def _fate(recipe: SliceRecipe) -> str:
    """Describe what happens to irrelevant weights, in a few words."""
    out = recipe.slice.fate == "compact"
    fate = "taken out" if out else "started anew" if trains(recipe) else "set to zero"
    return f"{fate}, {_training(recipe, 'the classifier trained')}"


def _training(recipe: SliceRecipe, classifier: str) -> str:
    if not trains(recipe):
        return "not trained"
    return f"then {classifier if recipe.train.part == 'classifier' else 'fine-tuned'}"


def _sliced(name: str, title: str, about: str, recipe: SliceRecipe, method: type[ChannelSlicing]) -> Arm:
    """Return a baseline that slices the same layers as much as the student, by another criterion."""
    given = recipe.slice.model_dump(include={*ChannelSlicing.model_fields, "ratio"})
    matched = recipe.slice.needs == "search"
    return Arm(name, title, "baseline", about, method.model_validate(given), matched=matched)
