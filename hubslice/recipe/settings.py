"""Flatten a recipe to the settings that determine results, by dotted key."""

from __future__ import annotations

from typing import Any

from hubslice.recipe.paths import path_values
from hubslice.recipe.schema import SliceRecipe
from hubslice.recipe.section import Section, decisive

_WORDS = ("kind", "name", "description", "card")  # descriptions for people, which affect no number


def settings_of(recipe: SliceRecipe, *, given: bool = False) -> dict[str, object]:
    """Return values such as {"train.epochs": 10}, sorted by key; with `given` only those set in the recipe.

    Left out are descriptions for people, speed-only fields, and paths of models and data: their content counts, not
    their names.
    """
    return _table(decisive(recipe, given=given))


def defaults_of(recipe: SliceRecipe) -> dict[str, object]:
    """Return the settings of a recipe that sets only the required keys."""
    data = decisive(recipe)
    for name, section in recipe:
        if isinstance(section, Section):
            required = {key: value for key, value in section if type(section).model_fields[key].is_required()}
            data[name] = decisive(type(section).model_construct(**required))
    return _table(data)


def _table(data: dict[str, Any]) -> dict[str, object]:
    places = {".".join(map(str, path)) for path, _ in path_values(data)} | {"data.revision"}
    found: dict[str, object] = {}
    for key, value in data.items():
        if key not in _WORDS:
            _flatten(key, value, found)
    return {key: found[key] for key in sorted(found) if key not in places}


def _flatten(key: str, value: object, found: dict[str, object]) -> None:
    if isinstance(value, dict):
        parts = list(value.items())
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        parts = list(enumerate(value))
    else:
        found[key] = value
        return
    for name, part in parts:
        _flatten(f"{key}.{name}", part, found)
