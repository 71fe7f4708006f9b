"""Apply command-line values, `train.lr=0.01`, to a recipe."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from hubslice.core.errors import RecipeError
from hubslice.recipe.places import dotted
from hubslice.recipe.yaml_source import KeyPath, Plain, read_yaml


def apply_overrides(data: Plain, overrides: Sequence[str]) -> tuple[Plain, dict[KeyPath, str]]:
    """Return the merged data, and for each key path that was set the override that set it.

    Sections that the recipe lacks are created; numbers in a path are list indices from 0.

    Raises:
        RecipeError: overrides that are not `key.path=value`, have invalid YAML as value, or have an invalid path; all
            at once.
    """
    merged: Plain = copy.deepcopy({} if data is None else data)
    origins: dict[KeyPath, str] = {}
    problems: list[str] = []
    for override in overrides:
        try:
            path, value = _parse(override)
            origins[_put(merged, path, value)] = override
        except (ValueError, RecipeError) as error:
            problems.append(f"override '{override}': {_reason(error)}")
    if problems:
        raise RecipeError(
            "overrides cannot be applied", problems, hint="write them as key.path=value, e.g. train.lr=0.01"
        )
    return merged, origins


def _parse(override: str) -> tuple[KeyPath, Plain]:
    dotted, equals, text = override.partition("=")
    parts = dotted.strip().split(".")
    if not equals or not all(parts):
        raise ValueError("is not of the form key.path=value")
    source = read_yaml(text, "value")
    if source.slips:
        raise ValueError(source.slips[0].message)
    return tuple(int(part) if part.isdecimal() else part for part in parts), source.data


def _put(data: Plain, path: KeyPath, value: Plain) -> KeyPath:
    here = data
    taken: list[str | int] = []
    for depth, key in enumerate(path):
        last = depth == len(path) - 1
        if isinstance(here, list):
            if not isinstance(key, int) or key >= len(here):
                raise ValueError(f"'{dotted(path[:depth])}' has {len(here)} entries, counted from 0; there is no {key}")
            if last:
                here[key] = value
            here = here[key]
            taken.append(key)
        elif isinstance(here, dict):
            if last:
                here[str(key)] = value
            elif here.get(str(key)) is None:
                here[str(key)] = {}
            here = here[str(key)]
            taken.append(str(key))
        else:
            raise ValueError(f"'{dotted(path[:depth]) or 'recipe'}' holds a value, not keys")  # noqa: TRY004
    return tuple(taken)


def _reason(error: Exception) -> str:
    problems = getattr(error, "problems", ())
    return problems[0].partition(": ")[2] if problems else str(error)
