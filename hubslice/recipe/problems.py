"""Describe invalid values of a recipe: what was given, what is expected, what was probably meant."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from pydantic import ValidationError

from hubslice.recipe.fields import Spot, keys_below_root, locate, tags
from hubslice.recipe.yaml_source import KeyPath

_EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "dict_type": "keys and values",
}
_LIMITS = {
    "greater_than_equal": ("ge", "must be at least {}"),
    "less_than_equal": ("le", "must be at most {}"),
    "greater_than": ("gt", "must be greater than {}"),
    "less_than": ("lt", "must be less than {}"),
    "string_pattern_mismatch": ("pattern", "must match {}"),
    "too_short": ("min_length", "must have {} or more entries"),
}
# Names that other tools use for keys of a recipe.
_SYNONYMS = {
    "learning_rate": "lr",
    "batch": "batch_size",
    "train_batch_size": "batch_size",
    "num_epochs": "epochs",
    "num_train_epochs": "epochs",
    "optim": "optimizer",
    "lr_scheduler": "schedule",
    "scheduler": "schedule",
    "wd": "weight_decay",
    "num_workers": "workers",
    "early_stopping": "patience",
    "sparsity": "ratio",
    "dataset": "path",
    "model_name": "model",
    "image_size": "input_size",
    "epsilon": "eps",
    "teacher_model": "teacher",
    "finetune": "train",
    "training": "train",
    "val": "validation",
}


class Problem(NamedTuple):
    """A mistake; a missing key's path ends with that key. `stand_in` is a word that would select the variant."""

    path: KeyPath
    message: str
    stand_in: str | None = None


def explain(error: ValidationError) -> list[Problem]:
    """Return all mistakes, one for each key path."""
    grouped: dict[KeyPath, list[tuple[Spot, Any]]] = {}
    for detail in error.errors(include_url=False):
        spot = locate(detail["loc"])
        grouped.setdefault(spot.path, []).append((spot, detail))
    messages = (_message(path, members) for path, members in grouped.items())
    return [message for message in messages if message]


def suggest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the closest known word, or an empty string if none is close."""
    by_lower = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f"; did you mean '{by_lower[near[0]]}'?" if near else ""


def shown(value: object) -> str:
    """Describe a given value: `text 'ten'`, `a list`, `nothing`."""
    match value:
        case None:
            return "nothing"
        case str():
            return f"text '{value if len(value) <= 60 else value[:57] + '...'}'"
        case list():
            return "a list" if value else "an empty list"
        case dict():
            return "keys and values"
        case _:
            return json.dumps(value)[:60]


def _message(path: KeyPath, members: Sequence[tuple[Spot, Any]]) -> Problem | None:
    for spot, detail in members:
        given, context = detail["input"], detail.get("ctx", {})
        match detail["type"]:
            case "missing":
                return Problem(path, "missing; this key is required")
            case "extra_forbidden":
                return Problem(path, f"unknown key{_meant(spot)}")
            case "union_tag_not_found" | "union_tag_invalid":
                return _choice(spot, context["discriminator"].strip("'()"), given)
            case "literal_error":
                return Problem(path, f"must be {_one_of(spot.choices)}, got {shown(given)}{_near(given, spot.choices)}")
            case "value_error":
                return Problem(path, str(context["error"]))
            case "too_short" if len(given) >= context["min_length"]:
                continue  # invalid entries are not counted
            case kind if kind in _LIMITS:
                name, words = _LIMITS[kind]
                return Problem(path, f"{words.format(_plain(context[name]))}, got {shown(given)}")
    expected = [_EXPECTED[detail["type"]] for _, detail in members if detail["type"] in _EXPECTED]
    detail = members[0][1]
    if expected:
        return Problem(path, f"expected {' or '.join(dict.fromkeys(expected))}, got {shown(detail['input'])}")
    if detail["type"] == "too_short":
        return None
    return Problem(path, f"{detail['msg'][:1].lower()}{detail['msg'][1:]}, got {shown(detail['input'])}")


def _plain(limit: object) -> str:
    return f"{limit:g}" if isinstance(limit, float) else str(limit)


def _choice(spot: Spot, key: str, given: object) -> Problem:
    choices = tuple(tag for section in spot.sections for tag in tags(section))
    path = (*spot.path, key)
    chosen = given.get(key) if isinstance(given, dict) else None
    if chosen is not None:
        return Problem(path, f"must be {_one_of(choices)}, got {shown(chosen)}{_near(chosen, choices)}", choices[0])
    typo = get_close_matches(key, given, n=1) if isinstance(given, dict) else []
    wrote = f"; '{typo[0]}' looks like it" if typo and typo[0] != key else ""
    return Problem(path, f"missing; this key is required ({_one_of(choices)}){wrote}", choices[0])


def _one_of(choices: Sequence[str]) -> str:
    return f"one of {', '.join(choices)}" if len(choices) > 1 else "".join(choices)


def _near(given: object, choices: Sequence[str]) -> str:
    return suggest(given, choices) if isinstance(given, str) else ""


def _meant(spot: Spot) -> str:
    key = str(spot.path[-1])
    fields = [name for section in spot.parents for name in section.model_fields]
    names = {**{other: name for other, name in _SYNONYMS.items() if name in fields}, **{name: name for name in fields}}
    near = get_close_matches(key.lower().replace("-", "_"), names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean '{names[near[0]]}'?"
    elsewhere = [dotted for name, dotted in keys_below_root() if name == key]
    if elsewhere:
        return f"; did you mean '{elsewhere[0]}'?"
    return f"; known here: {', '.join(fields)}"
