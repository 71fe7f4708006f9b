"""Names that strangers chose, in the card of a student: they are text, whatever reads the Markdown or its YAML head."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt
from pydantic import ValidationError

from hubslice.artefacts.report import Report
from hubslice.card.plots import write_plots
from hubslice.card.poison import render_poison_card
from hubslice.card.render import render_card
from hubslice.cli.output import out
from hubslice.cli.summary import tell_report
from hubslice.escaping import line
from hubslice.recipe.schema import CardParams
from tests.card.example_report import clean_teacher
from tests.card.examples import POISON_FACTS, RECIPES, REPORTS
from tests.faults.nasty import NASTY, raw
from tests.faults.nasty_place import LABELS, nasty_run

TAGS = {
    *("a", "blockquote", "code", "details", "em", "h1", "h2", "h3", "h4", "hr", "img", "li", "ol", "p", "pre"),
    *("strong", "summary", "table", "tbody", "td", "th", "thead", "tr", "ul"),
}
KEYS = {
    *("license", "license_name", "library_name", "pipeline_tag", "base_model", "base_model_relation", "datasets"),
    *("tags", "model-index", "hubslice"),
}
OURS = (
    *("https://arxiv.org/", "https://doi.org/", "https://huggingface.co/", "https://github.com/ossf/"),
    *("plots/", "evidence/", "#"),
)
# What the author of the recipe writes, in Markdown or in words that are known.
AUTHORS = ("description", "parameters")


class _Page(HTMLParser):
    """The elements, addresses and texts of a rendered card; each table's rows of cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.comments: list[str] = []
        self.cells: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_comment(self, data: str) -> None:
        self.comments.append(data.strip())

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.cells:
            self.cells[-1] += data


def check_card(card: str) -> _Page:
    """The card as it is rendered, all of whose elements are ours."""
    assert raw(card) == []
    head, _, body = card.removeprefix("---\n").partition("\n---\n")
    assert set(yaml.safe_load(head)) <= KEYS
    data = ModelCard(card).data.to_dict()
    assert set(data) <= KEYS | {"model_name", "eval_results"}
    page = _Page(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(body))
    assert page.tags <= TAGS
    assert all(comment.startswith("hubslice:") for comment in page.comments)
    for name, value in page.attributes:
        assert name in ("href", "src", "alt", "class", "style")
        if name in ("href", "src"):
            assert (value or "").startswith(OURS), value
    return page


def shown(name: str) -> str:
    return line(" ".join(name.split()), 400) or "(empty)"


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


@pytest.mark.parametrize("kind", KINDS)
def test_names_in_the_card_of_a_backdoored_model(kind: str) -> None:
    teacher = clean_teacher().model_copy(update={"model": NASTY[kind], "license": NASTY[kind], "repo_id": None})
    facts = {**POISON_FACTS, "target": NASTY[kind], "trigger": NASTY[kind], "labels": (NASTY[kind], "b")}
    check_card(render_poison_card(teacher, facts))  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["formula", "colour", "long", "emoji", "underscore"])
@pytest.mark.parametrize("example", REPORTS)
def test_plots_and_summary_take_any_name(
    example: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = renamed(REPORTS[example], NASTY[kind])
    assert write_plots(report, tmp_path)
    out.mode = "human"
    tell_report(report)
    streams = capsys.readouterr()
    assert raw(streams.out + streams.err) == []
