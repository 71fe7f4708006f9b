"""The example cards, compared byte by byte with `cards/examples/`.

After a change that is meant: `HUBSLICE_UPDATE_CARDS=1 pytest tests/card/test_golden.py`, then read the difference.
This also draws the examples' plots anew; they are looked at, not compared: their bytes depend on matplotlib's version.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from hubslice import verify
from hubslice.artefacts.report import Report
from hubslice.card.facts import plots_of
from hubslice.card.plots import write_plots
from hubslice.card.render import render_card
from hubslice.core.resources import resource_folder
from hubslice.recipe.load import parse_recipe
from hubslice.recipe.schema import Recipe, SliceRecipe
from tests.card import example_recipes
from tests.card.examples import POISONED, REPORTS, card_of, poison_card

EXAMPLES = resource_folder("cards") / "examples"
UPDATE = os.environ.get("HUBSLICE_UPDATE_CARDS") == "1"


def check(path: Path, card: str) -> None:
    if UPDATE:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(card.encode())
    assert path.read_bytes() == card.encode(), f"{path} differs; see this module's docstring"


@pytest.mark.parametrize("name", REPORTS)
def test_student_card_is_the_golden_one(name: str) -> None:
    check(EXAMPLES / name / "README.md", card_of(name))
    if UPDATE:
        write_plots(REPORTS[name], EXAMPLES / name)
    for plot in plots_of(REPORTS[name]):
        assert (EXAMPLES / name / plot).is_file()


def test_poison_card_is_the_golden_one() -> None:
    check(EXAMPLES / POISONED / "README.md", poison_card())


@pytest.mark.parametrize("name", ["demo", "compact"])
def test_the_card_of_a_real_run_stands(name: str) -> None:
    """Against the report and evidence beside it."""
    folder = EXAMPLES.parent / name
    if UPDATE:
        loaded = parse_recipe((folder / "recipe.yaml").read_text(), folder, "its recipe")
        assert isinstance(loaded.recipe, SliceRecipe)
        card = render_card(Report.load(folder / "report.json"), loaded.recipe.card, loaded.text, None)
        check(folder / "README.md", card)
    found = verify(folder)
    assert found.verified, found.of("differs")
    assert len(found.of("agrees")) > 10


@pytest.mark.parametrize(
    "recipe", [example_recipes.REMOS, example_recipes.VIT, example_recipes.SEAM, example_recipes.POISON]
)
def test_example_recipes_are_valid(recipe: str) -> None:
    TypeAdapter(Recipe).validate_json(json.dumps(yaml.safe_load(recipe)))
