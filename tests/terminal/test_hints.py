"""Hints name no option that the command lacks."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import hubslice
from hubslice.app import app
from hubslice.terminal.hints import fitting, options_of

QUOTED = re.compile(r"hint=\s*f?\"([^\"\\]*--[a-z][^\"\\]*)\"")
KEYS = re.compile(r"\bdata\.[a-z_]+|teacher\.input_size")
PACKAGE = Path(hubslice.__file__).parent


def verbs(command: Any = None, named: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    command = command or typer.main.get_command(app)
    inner = getattr(command, "commands", {})
    if named:
        yield named
    for name, each in inner.items():
        yield from verbs(each, (*named, name))


def written() -> list[str]:
    """Hints with options as they stand in the code."""
    found = {hint for path in PACKAGE.rglob("*.py") for hint in QUOTED.findall(path.read_text())}
    assert len(found) > 30
    return sorted(found)


def foreign(hint: str, options: frozenset[str]) -> set[str]:
    """Options that the hint tells to give and the command lacks; those after a command belong to that."""
    own = (re.split(r"\b(?:hubslice|hf|pip|python) ", clause)[0] for clause in re.split(r"; |, or ", hint))
    return {option for clause in own for option in re.findall(r"(?<![\w-])--[a-z-]+", clause)} - options


@pytest.mark.parametrize("verb", list(verbs()), ids=" ".join)
def test_every_hint_fits_every_command(verb: tuple[str, ...]) -> None:
    options = options_of(app, verb)
    assert options >= {"--help", "--traceback"}
    for hint in written():
        told = fitting(hint, options)
        assert told
        assert not foreign(told, options), hint
        assert told == hint or foreign(hint, options) or KEYS.search(hint), hint


DATA = "data.path takes a folder with class/image.png, a parquet file, or a data set's Hub id"


@pytest.mark.parametrize(
    ("verb", "hint", "told"),
    [
        ("detect fit", DATA, DATA.replace("data.path", "--data")),
        ("convert", "if you trust it, set data.path to its folder", "if you trust it, set --data to its folder"),
        ("diff", "set data.path to its folder", "set --inputs to its folder"),
        ("explain", "set data.path to its folder", "set --data or --inputs to its folder"),
        ("exposure", "mend the folder, or set data.allow_skipped: true", "mend the folder"),
        ("diff", "set data.image to a column", "see what the command takes with --help"),
        ("latency", "take a smaller teacher.input_size", "take a smaller --input-size"),
        ("slice", DATA, DATA),
        ("validate", "set data.image to a column", "set data.image to a column"),
        ("detect check", "`hubslice slice recipe.yaml data.limit=5`", "`hubslice slice recipe.yaml data.limit=5`"),
    ],
)
def test_keys_of_a_recipe_are_told_to_those_that_have_one(verb: str, hint: str, told: str) -> None:
    assert fitting(hint, options_of(app, verb.split())) == told


@pytest.mark.parametrize(
    ("hint", "options", "told"),
    [
        ("wait (`hubslice info` shows its steps), or choose another folder with --out", {"--out"}, None),
        ("wait until it is done, or choose another folder with --out", {"--data"}, "wait until it is done"),
        ("choose another folder with --out", {"--data"}, "choose another folder"),
        ("leave out --force, or start without a launcher", {"--out"}, "start without a launcher"),
        ("`hubslice doctor` shows it; --device cpu works everywhere", set(), "`hubslice doctor` shows it"),
        ("make one with `hubslice slice RECIPE --out DIR`", set(), None),
        ("use --fp32", set(), "see what the command takes with --help"),
    ],
)
def test_what_is_left_of_a_hint(hint: str, options: set[str], told: str | None) -> None:
    assert fitting(hint, options) == (told or hint)


def test_at_the_surface(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.EROFS, "read-only", "somewhere")

    monkeypatch.setattr("hubslice.terminal.output.Output.table", full)
    from hubslice.app import run

    assert run(["recipes", "ls"]) == 2
    told = capsys.readouterr().err
    assert "read-only" in told
    assert "--out" not in told
