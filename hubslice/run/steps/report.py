"""Report step: the report, its plots, the model card, and the lock of the finished run."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from hubslice.artefacts.lock import LOCK
from hubslice.artefacts.model import FileFact
from hubslice.core.cost import Cost, Workload
from hubslice.core.errors import HubsliceWarning
from hubslice.engine.step import Context, Step
from hubslice.files.names import CARD, RECIPE, REPORT, SEARCH, SLICE
from hubslice.recipe.schema import SliceRecipe
from hubslice.run.arms import arms_of
from hubslice.run.steps.audit import EVIDENCE, audit_names
from hubslice.run.steps.teacher import WEIGHTS_FOLDER

PLOTS = "plots"
SECONDS, BYTES = 1.5, 150_000  # of plots and card, roughly constant


@dataclass(frozen=True, kw_only=True)
class ReportStep(Step):
    """Write all measurements to `report.json`, draw the plots, render the card, and lock inputs and outputs.

    Everything is derived from the recipe's text and the preceding `steps`.
    """

    kind: ClassVar[str] = "report"
    version: ClassVar[int] = 6
    free: ClassVar[frozenset[str]] = frozenset({"recipe"})  # its text is in the key

    recipe: SliceRecipe
    text: str
    steps: tuple[str, ...]

    @property
    def title(self) -> str:
        return "Write report, card and lock"

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.steps

    def cost(self, work: Workload) -> Cost:
        return Cost(SECONDS, BYTES)

    def run(self, context: Context) -> None:
        from hubslice.card.hub_rules import license_doubts
        from hubslice.card.plots import write_plots
        from hubslice.card.render import render_card
        from hubslice.hub.integrity import digest, digest_of
        from hubslice.run.lock import make_lock, read_sources
        from hubslice.run.report import build_report

        def step(name: str) -> Path:
            return context.out if name == self.kind else context.inputs[name]

        report = build_report(self.recipe, self.text, arms_of(self.recipe), context.inputs)
        report.save(context.out / REPORT)
        (context.out / PLOTS).mkdir(exist_ok=True)
        if report.search is not None:
            report.search.save(context.out / EVIDENCE / SEARCH)
        write_plots(report, context.out)
        card = render_card(report, self.recipe.card, self.text, repo_id=None)
        for doubt in license_doubts(None, self.recipe.card.license):
            warnings.warn(doubt, HubsliceWarning, stacklevel=2)
        (context.out / CARD).write_text(card, encoding="utf-8")
        files = student_files(step, self.recipe)
        digests = {name: digest(path) for name, path in files.items() if name != CARD}
        digests[RECIPE] = digest_of(self.text.encode())
        make_lock(
            self.recipe,
            self.text,
            read_sources(self.steps, step),
            report.environment,
            report.deviating,
            [FileFact(path=name, size=digests[name].size, sha256=digests[name].sha256) for name in sorted(digests)],
        ).save(context.out / LOCK)


def student_files(step: Callable[[str], Path], recipe: SliceRecipe) -> dict[str, Path]:
    """Return the sources of the student's files by their path in its folder; `step` returns a finished step's folder.

    Neither the recipe, which is at the top of the run, nor the lock, which lists the files, is among them.
    """
    report = step("report")
    found = {REPORT: report / REPORT, CARD: report / CARD, SLICE: step("slice") / SLICE}
    trees = [(step("train") / WEIGHTS_FOLDER, ""), (report / PLOTS, f"{PLOTS}/")]
    trees.append((report / EVIDENCE, f"{EVIDENCE}/"))
    asked = {"diff": recipe.diff, "exposure": recipe.exposure}
    further = [name for name, params in asked.items() if params is not None]
    trees += [(step(name) / EVIDENCE, f"{EVIDENCE}/") for name in ("evaluate", *audit_names(recipe), *further)]
    for folder, prefix in trees:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            found[prefix + path.relative_to(folder).as_posix()] = path
    return found
