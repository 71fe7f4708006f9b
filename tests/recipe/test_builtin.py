from __future__ import annotations

import re
from pathlib import Path

import pytest

from hubslice.core.errors import HubsliceError
from hubslice.core.resources import resource_folder
from hubslice.recipe.builtin import BuiltinRecipe, builtin_recipes, find_builtin
from hubslice.recipe.check import json_schema
from hubslice.recipe.load import load_recipe
from hubslice.recipe.schema import SliceRecipe
from hubslice.recipe.slicing import RemosParams
from hubslice.run.steps.slicing import DEFAULT_K

RECIPES = builtin_recipes()


@pytest.mark.parametrize("builtin", RECIPES, ids=lambda recipe: recipe.name)
def test_every_recipe_is_valid_and_teaches(builtin: BuiltinRecipe) -> None:
    loaded = load_recipe(builtin.name)
    assert loaded.recipe.kind == builtin.kind
    assert loaded.text == builtin.text
    header = "\n".join(line for line in builtin.text.splitlines() if line.startswith("#"))
    assert "# Before:" in header, "a header says what must exist beforehand"
    assert re.search(rf"hubslice {builtin.kind} \S+", header), "a header has the command that starts it"
    assert re.search(r"\S  +# \S", builtin.text), "trailing comments give the effect of values"


def test_names_titles_and_labels() -> None:
    assert [recipe.name for recipe in RECIPES] == sorted(recipe.name for recipe in RECIPES)
    by_name = {recipe.name: recipe for recipe in RECIPES}
    assert by_name["general/minimal"].title.startswith("The smallest useful recipe")
    assert by_name["vision/drawings"].tested
    assert not by_name["vision/remos-resnet18"].tested
    assert {recipe.kind for recipe in RECIPES} == {"slice", "poison"}


def test_find_by_name_with_or_without_suffix() -> None:
    assert find_builtin("vision/drawings.yaml") == find_builtin("vision/drawings")
    assert find_builtin("vision/none") is None
    assert find_builtin("../pyproject") is None


def test_published_settings() -> None:
    recipe = load_recipe("vision/remos-resnet18").recipe
    assert isinstance(recipe, SliceRecipe)
    assert (recipe.train.lr, recipe.train.momentum, recipe.train.weight_decay) == (5e-3, 0.0, 1e-4)
    assert recipe.slice.ratio == 0.1
    assert round(30_000 * 64 / (5_360 * 0.9)) == recipe.train.epochs


def test_a_missing_installation_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr("hubslice.core.resources._PACKAGE", tmp_path)
    with pytest.raises(HubsliceError, match="lacks its recipes"):
        resource_folder("recipes")


def test_schema_describes_every_section() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    definitions = schema["$defs"]
    assert isinstance(definitions, dict)
    assert {"SliceRecipe", "PoisonRecipe", "TrainParams"} <= set(definitions)
    assert definitions["TrainParams"]["additionalProperties"] is False


def test_the_schema_tells_methods_apart() -> None:
    """Exactly one may fit: what names no method is ReMoS, to editors as to `load_recipe`."""
    definitions = json_schema()["$defs"]
    assert isinstance(definitions, dict)
    choices = definitions["SliceRecipe"]["properties"]["slice"]["oneOf"]
    names = [choice["$ref"].rpartition("/")[2] for choice in choices]
    assert {"RemosParams", "SeamParams", "NoSlice"} <= set(names)
    for name in names:
        assert ("method" in definitions[name].get("required", ())) == (name != "RemosParams"), name
    methods = [definitions[name]["properties"]["method"]["const"] for name in names]
    assert methods == ["remos", "seam", "nnslicer", "magnitude", "random", "none"]


SHARES = re.compile(r"(\d+(?:\.\d+)?) % (?:of the weights|least relevant weights)")


def told_shares(text: str) -> list[float]:
    return [float(found) / 100 for found in SHARES.findall(" ".join(text.replace("#", " ").split()))]


@pytest.mark.parametrize("builtin", RECIPES, ids=lambda recipe: recipe.name)
def test_shares_of_weights_in_words_are_those_of_the_recipe(builtin: BuiltinRecipe) -> None:
    """Defaults too: a comment that names one must follow the schema."""
    recipe = load_recipe(builtin.name).recipe
    if not isinstance(recipe, SliceRecipe):
        return
    ratio, retention = (getattr(recipe.slice, name, None) for name in ("ratio", "retention"))
    known = [ratio, None if ratio is None else 1 - ratio, retention]
    for share in told_shares(builtin.text):
        assert any(each is not None and abs(each - share) < 1e-9 for each in known), (share, known)


def test_the_comment_on_defaults_is_seen() -> None:
    assert told_shares((resource_folder("recipes") / "general/minimal.yaml").read_text()) == [RemosParams().ratio]


def test_the_readme_tells_the_default_ratio() -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text()
    assert told_shares(text[: text.index("Three commands")]) == [RemosParams().ratio]
    assert f"hubslice's default: ReMoS, {RemosParams().ratio:.0%}".replace("%", " %") in text


DEFAULT = re.compile(r"\bdefault:? (?:is )?(-?\d[\d.]*)")


def test_defaults_in_descriptions_are_those_of_the_code() -> None:
    """Only where a default depends on another field is it told in words, and stands in the code."""
    told = {}
    for name, definition in json_schema()["$defs"].items():
        for key, field in definition.get("properties", {}).items():
            if found := [float(value.rstrip(".")) for value in DEFAULT.findall(field.get("description", ""))]:
                told[f"{name}.{key}"] = found
    assert told == {
        "ProfileParams.k": [DEFAULT_K["tknc"], DEFAULT_K["snac"]],
        "SeamParams.max_accuracy_drop": [0.0],
        "TrainParams.workers": [0.0],
    }
