"""Publish results at the top of the run folder: student/ as it will be pushed, report, slice, lock, evidence, plots."""

from __future__ import annotations

import shutil
from pathlib import Path

from hubslice.artefacts.lock import LOCK
from hubslice.core.artefact import DRAFT
from hubslice.core.errors import RunError
from hubslice.core.whole_folder import put_file, put_tree, swap
from hubslice.engine.run_folder import RunFolder
from hubslice.files.names import RECIPE, REPORT, SLICE
from hubslice.recipe.schema import SliceRecipe
from hubslice.run.steps.audit import EVIDENCE
from hubslice.run.steps.report import PLOTS, student_files

STUDENT = "student"


def publish(run: RunFolder, recipe: SliceRecipe) -> Path:
    """Publish the finished run; returns the student's folder. Tensors are hard links into the steps where possible.

    Raises:
        RunError: the run is not finished.
    """
    if run.record("report") is None:
        raise RunError(f"{run.path} is not finished", hint=f"go on with `hubslice slice {run.path / 'recipe.yaml'}`")
    fresh = run.path / f".{STUDENT}{DRAFT}"
    shutil.rmtree(fresh, ignore_errors=True)
    files = student_files(run.step, recipe) | {RECIPE: run.path / RECIPE, LOCK: run.step("report") / LOCK}
    for name, source in files.items():
        put_file(source, fresh / name)
    for name in (REPORT, SLICE, LOCK):
        _replace(fresh / name, run.path / name)
    for name in (PLOTS, EVIDENCE):
        _replace(fresh / name, run.path / name)
    student = run.path / STUDENT
    swap(fresh, student)
    return student


def _replace(source: Path, target: Path) -> None:
    fresh = target.with_name(f".{target.name}{DRAFT}")
    if source.is_dir():
        put_tree(source, fresh, clear=True)
    else:
        fresh.unlink(missing_ok=True)
        put_file(source, fresh)
    swap(fresh, target)
