"""A card as its readers have it: Markdown rendered, the YAML head parsed, and nothing in either but what is ours."""

from __future__ import annotations

from html.parser import HTMLParser

import yaml
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from hubslice.core.escaping import line
from tests.faults.nasty import raw

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


class Page(HTMLParser):
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


def check_card(card: str) -> Page:
    """The card as it is rendered, all of whose elements are ours."""
    assert raw(card) == []
    head, _, body = card.removeprefix("---\n").partition("\n---\n")
    assert set(yaml.safe_load(head)) <= KEYS
    data = ModelCard(card).data.to_dict()
    assert set(data) <= KEYS | {"model_name", "eval_results"}
    page = Page(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(body))
    assert page.tags <= TAGS
    assert all(comment.startswith("hubslice:") for comment in page.comments)
    for name, value in page.attributes:
        assert name in ("href", "src", "alt", "class", "style")
        if name in ("href", "src"):
            assert (value or "").startswith(OURS), value
    return page


def shown(name: str) -> str:
    return line(" ".join(name.split()), 400) or "(empty)"
