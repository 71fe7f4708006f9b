"""The report, its plots and the model card."""

from __future__ import annotations

from collections.abc import Sequence

from hubslice.pipeline.arms import Arm
from hubslice.pipeline.step import Context, Step
from hubslice.recipe.schema import SliceRecipe

REPORT = "report.json"
PLOTS = "plots"
CARD = "README.md"


def report_step(recipe: SliceRecipe, recipe_text: str, arms: Sequence[Arm], inputs: tuple[str, ...]) -> Step:
    """Gather every measured fact in `report.json`, draw the plots, render the card."""

    def run(context: Context) -> None:
        from hubslice.card.plots import write_plots
        from hubslice.card.render import render_card
        from hubslice.pipeline.report import build_report

        report = build_report(recipe, recipe_text, arms, context.inputs)
        report.save(context.out / REPORT)
        (context.out / PLOTS).mkdir(exist_ok=True)
        write_plots(report, context.out)
        (context.out / CARD).write_text(render_card(report, recipe.card, recipe_text, repo_id=None), encoding="utf-8")

    return Step("report", "Write report and card", {"recipe": recipe_text}, inputs, run)
