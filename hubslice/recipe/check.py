"""Validate plain data against the schema and collect all mistakes."""

from __future__ import annotations

import copy
import json
from collections.abc import Collection

from pydantic import TypeAdapter, ValidationError

from hubslice.recipe.paths import set_value
from hubslice.recipe.problems import explain
from hubslice.recipe.schema import PoisonRecipe, Recipe, SliceRecipe
from hubslice.recipe.yaml_source import KeyPath, Plain

_ADAPTER: TypeAdapter[SliceRecipe | PoisonRecipe] = TypeAdapter(Recipe)
_ROUNDS = 4  # a wrong `kind` hides mistakes below it, and a wrong `method` those below that


def check(
    data: Plain, known: Collection[KeyPath] = ()
) -> tuple[SliceRecipe | PoisonRecipe | None, list[tuple[KeyPath, str]]]:
    """Return the recipe that `data` describes, or None, and (key path, message) for all mistakes.

    Paths in `known` are already reported and are left out. A section whose variant cannot be determined (`slice.method:
    remoss`) is replaced by a stand-in, so that other mistakes are found in the same pass.
    """
    found: dict[KeyPath, str] = {}
    hidden = set(known)
    for _ in range(_ROUNDS):
        try:
            recipe = _ADAPTER.validate_json(json.dumps(data))
        except ValidationError as error:
            problems = explain(error)
        else:
            return (None if found else recipe), list(found.items())
        for problem in problems:
            if not any(problem.path[:end] in hidden for end in range(len(problem.path) + 1)):
                found.setdefault(problem.path, problem.message)
        stand_ins = [(problem.path, problem.stand_in) for problem in problems if problem.stand_in]
        if not stand_ins:
            break
        data = copy.deepcopy(data)
        for path, word in stand_ins:
            if path == ("kind",):
                set_value(data, path, "poison" if isinstance(data, dict) and "poison" in data else word)
            else:
                set_value(data, path[:-1], {str(path[-1]): word})
                hidden.add(path[:-1])
    return None, list(found.items())


def json_schema() -> dict[str, object]:
    """Return the JSON Schema of recipes, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "hubslice recipe",
        **_ADAPTER.json_schema(),
    }
