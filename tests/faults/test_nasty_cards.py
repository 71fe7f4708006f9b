"""Names that strangers chose, in the card of a student: they are text, whatever reads the Markdown or its YAML head."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hubslice.artefacts.report import Report
from hubslice.card.plots import write_plots
from hubslice.card.poison import render_poison_card
from hubslice.card.render import render_card
from hubslice.recipe.schema import CardParams
from hubslice.terminal.output import out
from hubslice.terminal.summary import tell_report
from tests.card.example_report import clean_teacher
from tests.card.examples import POISON_FACTS, RECIPES, REPORTS
from tests.faults.nasty import NASTY, raw
from tests.faults.nasty_place import LABELS, nasty_run
from tests.faults.rendered import check_card, shown

# What the author of the recipe writes, in Markdown or in words that are known.
AUTHORS = ("description", "parameters")


@pytest.mark.slow
def test_a_students_card_shows_its_classes_as_text() -> None:
    card = (nasty_run() / "student/README.md").read_text(encoding="utf-8")
    page = check_card(card)
    assert {shown(label) for label in LABELS} <= {cell.strip() for cell in page.cells}
    assert "backdoored" not in card


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all texts in a document."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, (*path, key))
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from leaves(each, (*path, number))
    elif isinstance(value, str):
        yield path


def renamed(report: Report, name: str) -> Report:
    """The report with this name in every place that takes it, but what ties its parts, and the author's."""
    document = report.model_dump(mode="json")
    for path in list(leaves(document)):
        if path[-1] in ("name", "arm", "source", "baseline", "reference", "repo_id") or {*path} & {*AUTHORS}:
            continue
        place = document
        for key in path[:-1]:
            place = place[key]
        before, place[path[-1]] = place[path[-1]], name
        try:
            Report.model_validate_json(json.dumps(document))
        except ValidationError:
            place[path[-1]] = before
    return Report.model_validate_json(json.dumps(document))


KINDS = [kind for kind in NASTY if kind != "empty"]


@pytest.mark.parametrize("kind", KINDS)
def test_names_in_every_field_of_a_report(kind: str) -> None:
    example = "student-of-a-backdoored-teacher"
    report = renamed(REPORTS[example], NASTY[kind])
    card = render_card(report, CardParams(), RECIPES[example], None)
    page = check_card(card)
    assert shown(NASTY[kind])[:20].strip() in page.text
    assert render_card(report, CardParams(), RECIPES[example], None, card) == card  # head and sections are found again


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "long"])
def test_the_authors_words_are_text(kind: str) -> None:
    example = "student-without-defects-measured"
    written = f"It says {NASTY[kind]}"  # the card of a recipe from the Hub has a stranger's words
    card = CardParams(title=NASTY[kind][:200], summary=NASTY[kind], license=NASTY[kind], limits=(NASTY[kind], written))
    described = REPORTS[example].model_copy(update={"description": NASTY[kind]})
    for each, words in ((REPORTS[example], card), (described, CardParams())):
        rendered = render_card(each, words, RECIPES[example], None)
        assert shown(NASTY[kind])[:20].strip() in check_card(rendered).text
        assert render_card(each, words, RECIPES[example], None, rendered) == rendered


def test_a_long_summary_is_not_cut() -> None:
    example, words = "student-without-defects-measured", "word " * 2_000
    assert words.strip() in render_card(REPORTS[example], CardParams(summary=words), RECIPES[example], None)


@pytest.mark.parametrize("kind", KINDS)
def test_names_in_the_card_of_a_backdoored_model(kind: str) -> None:
    teacher = clean_teacher().model_copy(update={"model": NASTY[kind], "license": NASTY[kind], "repo_id": None})
    facts = {**POISON_FACTS, "target": NASTY[kind], "trigger": NASTY[kind], "labels": (NASTY[kind], "b")}
    check_card(render_poison_card(teacher, facts))  # type: ignore[arg-type]


DRAWN = ("formula", "colour", "long", "emoji", "underscore")
# Every kind in one report, and a formula, which the plots' own language would take for its own, in all.
PLOTTED = [
    pytest.param(
        example, kind, id=f"{example}-{kind}", marks=() if number == 0 or kind == "formula" else pytest.mark.deep
    )
    for number, example in enumerate(REPORTS)
    for kind in DRAWN
]


@pytest.mark.slow
@pytest.mark.parametrize(("example", "kind"), PLOTTED)
def test_plots_and_summary_take_any_name(
    example: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = renamed(REPORTS[example], NASTY[kind])
    assert write_plots(report, tmp_path)
    out.mode = "human"
    tell_report(report)
    streams = capsys.readouterr()
    assert raw(streams.out + streams.err) == []
