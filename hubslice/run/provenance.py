"""Find the teacher and baseline of a student in the run that made it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hubslice.artefacts.report import BASELINE, Report
from hubslice.engine.run_folder import MANIFEST, RunFolder
from hubslice.files.names import REPORT
from hubslice.run.run_layout import STUDENT
from hubslice.run.steps.teacher import WEIGHTS_FOLDER


@dataclass(frozen=True)
class Provenance:
    """The folders of a student's teacher, called `named`, and of its baseline, with its `title` in the report.

    None for what never existed or was deleted; random weights do not count as a teacher.
    """

    named: str = ""
    teacher: Path | None = None
    title: str = ""
    baseline: Path | None = None


def provenance_of(model: str) -> Provenance:
    """Return what is known of a run, or of the student in it; empty if the model is neither.

    Raises:
        RunError: the run's report is damaged.
    """
    path = Path(model).expanduser().resolve()
    place = path.parent if path.name == STUDENT else path
    if not (place / MANIFEST).is_file() or not (place / STUDENT / REPORT).is_file():
        return Provenance()
    report, run = Report.load(place / STUDENT / REPORT), RunFolder(place)
    arm = report.arm(BASELINE)
    return Provenance(
        named=report.teacher.model,
        teacher=None if report.teacher.random_seed is not None else _held(run, "pull"),
        title="" if arm is None else arm.title,
        baseline=None if arm is None else _held(run, f"train.{BASELINE}"),
    )


def _held(run: RunFolder, step: str) -> Path | None:
    folder = run.step(step) / WEIGHTS_FOLDER
    return folder if folder.is_dir() else None
