from __future__ import annotations

import pytest

from hubslice.core.errors import RecipeError
from hubslice.recipe.yaml_source import dump_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        ("-.5", -0.5),
        ("12", 12),
        ("010", 10),  # YAML 1.1 would read 8
        ("0x10", 16),
        ("true", True),
        ("no", "no"),  # YAML 1.1 would read False
        ("2024-01-31", "2024-01-31"),
        ("1:30", "1:30"),  # YAML 1.1 would read 90
        ("1_000", "1_000"),
        ("'1e-3'", "1e-3"),
        ("~", None),
        ("", None),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    data = read_yaml(f"key: {text}", "r.yaml").data
    assert data == {"key": value}
    assert isinstance(data, dict)
    assert type(data["key"]) is type(value)


def test_positions_of_keys_and_items() -> None:
    source = read_yaml("a: 1\nb:\n  c: [x, y]\n  d:\n    - e: 2\n", "r.yaml")
    assert source.positions[("b", "c")] == (3, 3)
    assert source.positions[("b", "c", 1)] == (3, 10)
    assert source.positions[("b", "d", 0, "e")] == (5, 7)


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("a: 1\nb: 2\na: 3", "given twice; it is already there on line 1", 3),
        ("a: !!python/object:os.system x", "the tag !!python/object:os.system is not allowed", 1),
        ("a: !custom {b: 1}", "the tag !custom is not allowed", 1),
        ("x: 1\n? [1, 2]\n: 3", "keys must be plain text", 2),
        ("a: .nan", "'.nan' is not a value", 1),
        ("a: -.inf", "'-.inf' is not a value", 1),
        ("a: !!int ten", "'ten' is not a value", 1),
        ("a: " + "9" * 5000, "is not a value", 1),
    ],
)
def test_slips_leave_the_rest_readable(text: str, message: str, line: int) -> None:
    source = read_yaml(f"{text}\nrest: 7", "r.yaml")
    assert [slip.position.line for slip in source.slips] == [line]
    assert message in source.slips[0].message
    assert isinstance(source.data, dict)
    assert source.data["rest"] == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1,\nb", "r.yaml:2: while parsing a flow sequence"),
        ("a:\n\tb: 1", "r.yaml:2: while scanning"),
        ("a: *missing", "r.yaml:1: found undefined alias 'missing'"),
        ("a: 1\n--- 2", "r.yaml:2: expected a single document"),
        ("a: 1\nb: \x01", "r.yaml:2: character U+0001 is not allowed"),
        ("[" * 3000, "nested too deeply"),
        ("a: " + "x" * 300_000, "longer than 256 KiB"),
    ],
)
def test_broken_documents_name_their_line(text: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read_yaml(text, "r.yaml")
    assert message in str(caught.value)


def test_hint_for_tabs_and_colons() -> None:
    with pytest.raises(RecipeError) as tab:
        read_yaml("a:\n\tb: 1", "r.yaml")
    assert tab.value.hint == "indent with spaces, YAML takes no tabs"
    with pytest.raises(RecipeError) as colon:
        read_yaml("title: a: b", "r.yaml")
    assert colon.value.hint == "put text that holds `: ` in quotes"


def test_bomb_is_refused() -> None:
    layers = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    layers += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(RecipeError, match="grows beyond 10,000 values when its aliases are written out"):
        read_yaml("\n".join(layers), "r.yaml")


def test_alias_to_itself_is_refused() -> None:
    with pytest.raises(RecipeError, match="grows beyond 32 levels"):
        read_yaml("a: &a [*a]", "r.yaml")


def test_modest_aliases_work() -> None:
    assert read_yaml("a: &x {b: [1]}\nc: *x", "r.yaml").data == {"a": {"b": [1]}, "c": {"b": [1]}}


def test_dump_reads_back() -> None:
    words = [
        "1e-3",
        "no",
        "2024-01-01",
        "",
        "~",
        "null",
        "010",
        "0o7",
        "1:30",
        "=",
        "<<",
        "a: b",
        "# c",
        "x\ny",
        "true",
        "ü",
    ]
    data = {"words": words, "numbers": [1, -2, 1e-5, 0.5, 3e20], "others": [None, True, {}, []], "long": "word " * 60}
    assert read_yaml(dump_yaml(data), "r.yaml").data == data
