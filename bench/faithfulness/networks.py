"""The networks that are explained, the images, and what deviations are measured from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hubslice.models.base import Model
from hubslice.models.folder import load_model
from hubslice.recipe.load import load_recipe
from hubslice.recipe.schema import SliceRecipe
from hubslice.run.steps.data import open_task
from hubslice.run.steps.inputs import ModelInputs
from hubslice.task.task import Split
from hubslice.tracing.traceable import TraceableModel, traceable_of

from ..explaining.networks import lite0
from ..reuse.problems import TEACHERS
from ..simplification.measures import fashion

IMAGES = 100  # that are explained
PROFILED = 200  # training images that means are of
TITLES = {"lite0": "EfficientNet-Lite0, ImageNet, on drawings"} | {
    name: f"{TEACHERS[name].title}, on Fashion-MNIST" for name in ("vgg", "resnet20")
}


@dataclass(frozen=True)
class Case:
    """A network, ready to be traced, and to be differentiated as a module."""

    model: Model
    subject: TraceableModel
    images: ModelInputs
    profiled: ModelInputs

    def inputs(self, given: ModelInputs) -> np.ndarray:
        """All prepared images [N, C, H, W]."""
        return next(iter(given.batch(0, len(given)).values()))


def case(name: str, reuse: Path) -> Case:
    """The network of this name; `reuse` is the folder in which bench.reuse keeps images and teachers."""
    if name == "lite0":
        model = lite0(224)
        recipe = load_recipe("vision/drawings")
        assert isinstance(recipe.recipe, SliceRecipe)
        task = open_task(recipe.recipe.data, recipe.base, 0)
        train, test = task.train, task.test
    else:
        model = load_model(reuse / name / "student", input_size=TEACHERS[name].input_size)
        train, test = fashion(reuse / "fashion")
    model.module.eval()

    def some(split: Split, count: int) -> ModelInputs:
        return ModelInputs(split.take(count, 0), model, "")

    return Case(model, traceable_of(model), some(test, IMAGES), some(train, PROFILED))
