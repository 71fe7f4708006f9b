"""How good the estimates of `slice --dry-run` are: estimated against measured, for each step of a finished run.

    python -m tests.demo.estimate RUN_FOLDER [--device DEVICE]

The estimate is made afresh on this machine, from the teachers that the run pulled, so it needs no Hub; it is a fair one
where the machine is as busy as it was during the run.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from hubslice.core.progress import Silent
from hubslice.engine.run_folder import RunFolder
from hubslice.engine.step import StepRecord
from hubslice.recipe.defects import BackdoorParams
from hubslice.recipe.schema import SliceRecipe
from hubslice.run.estimate.estimate import Estimate, estimate
from hubslice.run.run import Run, open_run
from hubslice.run.steps.teacher import WEIGHTS_FOLDER

HEADINGS = ("step", "estimated s", "measured s", "ratio", "estimated MiB", "measured MiB", "ratio", "bytes", "ratio")


def afresh(run: Run, folder: Path) -> Run:
    """The same recipe in a folder of its own, with the teachers that the run has."""
    recipe = run.recipe

    def pulled(step: str) -> str:
        return str((run.folder.step(step) / WEIGHTS_FOLDER).absolute())

    defects = tuple(
        defect.model_copy(update={"clean_teacher": pulled("pull.clean")})
        if isinstance(defect, BackdoorParams) and defect.clean_teacher
        else defect.model_copy(update={"unrelated": pulled(f"pull.{defect.kind}")})
        if getattr(defect, "unrelated", None)
        else defect
        for defect in recipe.audit.defects
    )
    changed: SliceRecipe = recipe.model_copy(
        update={
            "teacher": recipe.teacher.model_copy(update={"model": pulled("pull")}),
            "audit": recipe.audit.model_copy(update={"defects": defects}),
        }
    )
    return Run(RunFolder(folder), replace(run.loaded, recipe=changed))


def rows(plan: Estimate, records: dict[str, StepRecord]) -> list[tuple[str, ...]]:
    """A row a step, and one for the whole."""
    found = []
    estimated = total = 0.0
    for step in plan.steps:
        if (record := records.get(step.name)) is None:
            continue  # the run was broken off
        estimated += step.seconds or 0.0
        total += record.seconds
        found.append(
            (
                step.name,
                *_against(step.seconds or 0.0, record.seconds, 2),
                *_against(step.peak_mib or 0.0, record.peak_mib, 0),
                f"{record.size:,}",
                f"{(step.bytes or 0) / record.size:.2f}",
            )
        )
    peak = max(record.peak_mib for record in records.values())
    found.append(("all", *_against(estimated, total, 2), *_against(plan.peak_mib, peak, 0), "", ""))
    return found


def _against(estimated: float, measured: float, digits: int) -> tuple[str, str, str]:
    return f"{estimated:.{digits}f}", f"{measured:.{digits}f}", f"{estimated / measured:.2f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    run = open_run(str(arguments.run))
    with tempfile.TemporaryDirectory() as folder:
        plan = estimate(afresh(run, Path(folder, "run")), None, arguments.device, Silent())
    records = {step.name: record for step in plan.steps if (record := run.folder.record(step.name))}
    table = [HEADINGS, *rows(plan, records)]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADINGS))]
    for row in table:
        print("  ".join(f"{cell:{'<' if i == 0 else '>'}{widths[i]}}" for i, cell in enumerate(row)))


if __name__ == "__main__":
    main()
