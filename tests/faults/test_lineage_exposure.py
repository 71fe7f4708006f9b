"""What `hubslice exposure` and the section of recipes refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.faults.conftest import Refused
from tests.faults.lineage_setup import hub, made
from tests.verbs.detect.small import clean, write_model

__all__ = ["hub", "made"]


def test_exposure_to_somebody_elses_teacher(place: Path, refused: Refused) -> None:
    write_model(place / "small")
    np.save(place / "clean.npy", clean(4))
    before = sorted(place.rglob("*"))
    says = ("small has no layer whose name and shape alien has, too", "name its teacher")
    arguments = ("small", "--teacher", "alien", "--data", "clean.npy", "--out", "told")
    refused("exposure", *arguments, code=2, says=says)
    alone = ("small", "--teacher", "alien/model.safetensors", "--data", "clean.npy")
    says = ("small has no layer whose name and shape", "its names are those in its file: a file does not say how")
    refused("exposure", *alone, code=2, says=says)
    refused("exposure", *arguments[:-3], "nowhere.npy", code=2, says=("there is nothing at nowhere.npy",))
    assert sorted(place.rglob("*")) == before


RECIPE = "kind: slice\nname: quick\nteacher: {model: ./teacher}\ndata: {path: ./shapes.parquet}\n"


IN_RECIPES = {
    "a gate without a measurement": (
        "gates: {max_exposure: 0.5}",
        "gates.max_exposure judges what exposure measures, and the recipe has no such section",
    ),
    "a goal of nothing": ("exposure: {goal: 0}", "exposure.goal"),
    "no images": ("exposure: {samples: 0}", "exposure.samples"),
    "a word mistyped": ("exposure: {sample: 3}", "sample"),
}


@pytest.mark.parametrize(("line", "says"), IN_RECIPES.values(), ids=IN_RECIPES)
def test_recipes_whose_exposure_cannot_be_measured(tmp_path: Path, refused: Refused, line: str, says: str) -> None:
    (tmp_path / "recipe.yaml").write_text(f"{RECIPE}{line}\n")
    refused("validate", str(tmp_path / "recipe.yaml"), code=2, says=(says,))


def test_random_weights_are_nobodys_teacher(tmp_path: Path, refused: Refused) -> None:
    scratch = RECIPE.replace("{model: ./teacher}", "{model: resnet18, weights: random}")
    (tmp_path / "recipe.yaml").write_text(f"{scratch}exposure: {{}}\n")
    says = ("exposure measures what a teacher gives away, and random weights are nobody's teacher",)
    refused("validate", str(tmp_path / "recipe.yaml"), code=2, says=says)
