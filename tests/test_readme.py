"""What the README shows is true: its recipe is valid, its files exist, its verbs are the command line's."""

from __future__ import annotations

import re
from pathlib import Path

from hubslice.app import app
from hubslice.recipe.load import parse_recipe

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_recipe_is_valid() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    recipe = parse_recipe(text, ROOT, "README.md").recipe
    assert recipe.name == "beans"
    assert f"runs/{recipe.name}" in README


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_verb_is_listed() -> None:
    for command in app.registered_commands:
        assert f"`{command.name}" in README or f"`{command.name}`" in README, command.name


def test_the_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for text in (README, (ROOT / "CONTRIBUTING.md").read_text()):
        for target in re.findall(r"^make ([a-z]+)", text, re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
