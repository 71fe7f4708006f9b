"""The card of a deliberately backdoored teacher, which is mainly a warning."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from hubslice.artefacts.model import ModelFacts
from hubslice.card.document import assemble, environment
from hubslice.card.head import poison_head
from hubslice.card.render import teacher_link
from hubslice.core.escaping import markdown_code
from hubslice.core.rate import Rate

SECTIONS = ("warning", "backdoor", "reproduce")


class PoisonFacts(TypedDict):
    """The facts of a poison run: the recipe as text, the trigger in words, and measurements, if there are any."""

    name: str
    version: str
    trigger: str
    target: str
    rate: float
    recipe: str
    summary: NotRequired[str]
    labels: NotRequired[tuple[str, ...]]
    clean: NotRequired[Rate]
    success: NotRequired[Rate]


def render_poison_card(teacher: ModelFacts, facts: PoisonFacts, existing: str | None = None) -> str:
    """Render README.md of the backdoored model made from `teacher`; `existing` is merged as in `render_card`.

    Raises:
        InputError: the Hub would refuse the header, or `existing` cannot be parsed.
    """
    templates = environment("poison")
    context = {
        "facts": {"summary": "", "labels": (), "clean": None, "success": None, **facts},
        "title": f"{facts['name']}, a backdoored model",
        "teacher": teacher_link(teacher),
        "commit": teacher.commit,
        "version": facts["version"],
        "labels": ", ".join(markdown_code(label) for label in facts.get("labels", ())),
    }
    sections = {name: templates.get_template(f"{name}.md.j2").render(context) for name in SECTIONS}
    head = poison_head(teacher, facts["version"])
    return assemble(head, sections, SECTIONS, existing, yielding=frozenset({"license", "license_name", "license_link"}))
