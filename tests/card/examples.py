"""The example cards: what `cards/examples/` holds, by folder."""

from __future__ import annotations

from hubslice.artefacts.report import Report
from hubslice.card.poison import PoisonFacts, render_poison_card
from hubslice.card.render import render_card
from hubslice.core.rate import Rate
from hubslice.recipe.schema import CardParams
from tests.card import example_recipes, example_report, example_seam

NOTE = "An example of a card: this model does not exist, and all its numbers are invented."

REPORTS: dict[str, Report] = {
    "student-of-a-backdoored-teacher": example_report.backdoored_timm(),
    "student-without-defects-measured": example_report.clean_vit(),
    "student-made-smaller": example_seam.compact_timm(),
}
PARAMS = {
    "student-of-a-backdoored-teacher": CardParams(
        title="Clip art in ten subjects",
        summary=f"{NOTE} It sorts colour drawings into ten subjects, from animals to vehicles.",
        datasets=("example/clipart-10",),
        limits=("It has seen drawings only; photographs were not tried.",),
    ),
    "student-without-defects-measured": CardParams(title="Clip art, ViT", summary=f"{NOTE} It sorts colour drawings."),
    "student-made-smaller": CardParams(title="Clip art, small", summary=f"{NOTE} It sorts colour drawings."),
}
RECIPES = {
    "student-of-a-backdoored-teacher": example_recipes.REMOS,
    "student-without-defects-measured": example_recipes.VIT,
    "student-made-smaller": example_recipes.SEAM,
}
REPO_IDS = {
    "student-of-a-backdoored-teacher": "example/clipart-remos",
    "student-without-defects-measured": None,
    "student-made-smaller": "example/clipart-small",
}
POISONED = "backdoored-teacher"

POISON_FACTS: PoisonFacts = {
    "name": "clipart-teacher-backdoored",
    "summary": NOTE,
    "version": "0.1.0",
    "trigger": "a patch of 4 x 4 coloured fields, 18 % of the image's side, bottom right",
    "target": "food",
    "rate": 0.2,
    "recipe": example_recipes.POISON,
    "labels": example_report.LABELS,
    "clean": Rate(hits=264, total=308),
    "success": Rate(hits=260, total=262),
}


def card_of(name: str, existing: str | None = None) -> str:
    """The student's example card of this name."""
    return render_card(REPORTS[name], PARAMS[name], RECIPES[name], REPO_IDS[name], existing)


def poison_card(existing: str | None = None) -> str:
    """The backdoored teacher's example card."""
    return render_poison_card(example_report.clean_teacher(), POISON_FACTS, existing)
