"""Whatever somebody writes as a recipe: a recipe comes out, or a RecipeError that is fit to be read."""

from __future__ import annotations

import json
import time
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hubslice.core.errors import RecipeError
from hubslice.recipe.builtin import builtin_recipes
from hubslice.recipe.load import missing_paths, parse_recipe
from hubslice.recipe.schema import PoisonRecipe, SliceRecipe
from hubslice.recipe.yaml_source import dump_yaml, read_yaml
from tests.recipe.drawn import sections

pytestmark = pytest.mark.slow

GOOD = tuple(recipe.text for recipe in builtin_recipes())
MARKS = st.sampled_from(
    ["\x1b[31m", "\x07", "\x9b", "\u202e", "\u2028", "\x00", "\ud800", "\N{FIRE}", "\t", "&a ", "*a"]
)
WORDS = st.text(st.sampled_from("abkindslice: {}[]&*!|>-'\"\n\t#%@,?~.0e_\x1b\x85\u2028"), max_size=60)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), MARKS, st.sampled_from(["conv", "remos"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | MARKS, inner, max_size=3),
    max_leaves=8,
)


def readable(error: RecipeError) -> None:
    """Nothing in the message could steer a terminal, nothing is Python's own way of showing values."""
    told = f"{error.message}\n{error.hint or ''}"
    signs = {sign for sign in told if unicodedata.category(sign) in {"Cc", "Cs", "Cf"} and sign != "\n"}
    assert not signs, ascii(told)
    assert not any(python in told for python in ("Traceback", "<class", "Path(", "Node(", "Error(")), told
    assert told.count("\n") <= len(error.problems) + 2, told
    assert len(told) < 40_000, told


def parsed(text: str, *overrides: str) -> SliceRecipe | PoisonRecipe | None:
    """The recipe, or None where the error is fit to be read."""
    try:
        loaded = parse_recipe(text, Path("/nowhere"), "r.yaml", overrides)
    except RecipeError as error:
        readable(error)
        return None
    missing_paths(loaded)
    return loaded.recipe


@given(st.text(max_size=200) | WORDS)
def test_any_text_is_a_recipe_or_a_recipe_error(text: str) -> None:
    parsed(text)


@st.composite
def mutilated(draw: st.DrawFn) -> str:
    """A built-in recipe with pieces dropped, put in or replaced."""
    text = draw(st.sampled_from(GOOD))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = start + draw(st.integers(0, 12))
        text = text[:start] + draw(st.text(max_size=6) | WORDS | MARKS) + text[end:]
    return text


@given(mutilated())
def test_a_mutilated_recipe_is_a_recipe_or_a_recipe_error(text: str) -> None:
    parsed(text)


def _places(data: Any, here: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [here, *(place for key, value in inner for place in _places(value, (*here, key)))]


DATA = tuple(read_yaml(text, "r.yaml").data for text in GOOD)


@st.composite
def miswritten(draw: st.DrawFn) -> str:
    """A built-in recipe in which some values or keys are replaced by others."""
    data = json.loads(json.dumps(draw(st.sampled_from(DATA))))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(_places(data)[1:] or [()]))
        if not path:
            return yaml.safe_dump(draw(VALUES), allow_unicode=True)
        parent = data
        for key in path[:-1]:
            parent = parent[key]
        if isinstance(parent, dict) and draw(st.booleans()):
            parent[draw(st.text(max_size=8) | MARKS)] = parent.pop(path[-1])
        else:
            parent[path[-1]] = draw(VALUES)
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False)


@given(miswritten())
def test_wrong_values_give_a_recipe_or_a_recipe_error(text: str) -> None:
    parsed(text)


@given(st.sampled_from([SliceRecipe, PoisonRecipe]).flatmap(sections))
def test_a_valid_recipe_survives_writing_and_reading(recipe: SliceRecipe | PoisonRecipe) -> None:
    assert parsed(dump_yaml(recipe.model_dump(mode="json"))) == recipe


KEYS = [".".join(map(str, path)) for data in DATA for path in _places(data)[1:]]


@given(
    st.sampled_from(GOOD),
    st.lists(
        st.tuples(
            st.sampled_from(KEYS) | st.text(max_size=12), st.sampled_from(["=", "", ".0=", ".x="]), WORDS | MARKS
        ).map("".join),
        min_size=1,
        max_size=3,
    ),
)
def test_any_override_gives_a_recipe_or_a_recipe_error(text: str, overrides: list[str]) -> None:
    parsed(text, *overrides)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "- " * 100_000,
        "[" + "1," * 100_000 + "]",
        "\n".join(f"key{number}: !x 1" for number in range(9_900)),
        "kind: slice\n" + "\n".join(f"nam{number}: 1" for number in range(9_900)),
        f"kind: slice\naudit: {{defects: [{'{kind: backdor}, ' * 4_900}]}}",
        f"a: '{'x' * 250_000}'",
    ],
    ids=["brackets", "dashes", "values", "tags", "unknown keys", "wrong variants", "long text"],
)
def test_no_recipe_of_the_largest_size_takes_long(text: str) -> None:
    started = time.process_time()
    assert parsed(text) is None
    assert time.process_time() - started < 10  # seconds; a hundred times that where a check is quadratic
