"""Assemble a whole README from templates, header and sections, optionally merged into an existing one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, partial

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from hubslice.card import formats
from hubslice.card.frontmatter import Head, merge_head, split_readme
from hubslice.card.hub_rules import check_head
from hubslice.card.sections import merge
from hubslice.core.escaping import markdown, markdown_code, named
from hubslice.core.resources import resource_folder
from hubslice.recipe.yaml_source import MAX_BYTES

__all__ = ["Template", "assemble", "environment"]


@cache
def environment(kind: str) -> Environment:
    """Return the template environment of one kind of card (a folder in `cards/`), with filters for numbers and text.

    Raises:
        HubsliceError: the installation lacks its templates.
    """
    # Markdown, not HTML: untrusted text goes through the filters `text` and `code` instead of autoescape.
    templates = Environment(
        loader=FileSystemLoader(resource_folder("cards") / kind),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    for name in ("count", "percent", "rate", "short_rate", "inline", "sentence", "fenced", "link"):
        templates.filters[name] = getattr(formats, name)
    templates.filters |= {"text": markdown, "code": markdown_code, "line": named}
    templates.filters["prose"] = partial(markdown, most=MAX_BYTES)  # text of a recipe, so nothing is cut
    templates.globals["interval"] = formats.interval
    return templates


def assemble(
    head: Head,
    sections: Mapping[str, str],
    order: Sequence[str],
    existing: str | None,
    *,
    yielding: frozenset[str] = frozenset(),
) -> str:
    """Return the README with hubslice's header and sections, merged into `existing` if there is one.

    The line ends of `existing` are kept.

    Raises:
        InputError: the Hub would refuse the header, or `existing` cannot be parsed.
    """
    before = (existing or "").removeprefix("\ufeff")
    windows = "\r\n" in before
    theirs, body = split_readme(before.replace("\r\n", "\n"))
    merged = merge_head(theirs, head, yielding=yielding)
    check_head(merged)
    card = f"---\n{merged}---\n\n{merge(body, sections, order)}"
    return card.replace("\n", "\r\n") if windows else card
