"""`hubslice slice`: make a student from a recipe."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from hubslice.core.parameters import Option
from hubslice.core.paths import as_path
from hubslice.terminal.options import examples
from hubslice.terminal.output import out
from hubslice.terminal.parameters import Before, command
from hubslice.verbs.slice.params import SliceParams

if TYPE_CHECKING:
    from hubslice.run.run import Run


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "slice",
        epilog=examples(
            "hubslice slice recipe.yaml",
            "hubslice slice recipe.yaml --dry-run",
            "hubslice slice recipe.yaml --out runs/wide slice.ratio=0.2 train.epochs=20",
            "hubslice slice recipe.yaml --until init",
            "hubslice slice vision/fashion-vgg data.path=./fashion",
            "accelerate launch --num_processes 4 -m hubslice slice recipe.yaml",
            "hubslice slice recipe.yaml --locked",
            "hubslice slice owner/name@v1 --locked data.path=./my-images",
        ),
    )(command(slice_))


def slice_(
    params: SliceParams,
    dry_run: Annotated[
        bool,
        Option("Show steps, cost, and whether the teacher is suitable, without downloading weights."),
        Before("locked"),
    ] = False,
) -> None:
    """Make a student from a teacher: pull, profile, slice, fine-tune, audit, card.

    An interrupted run resumes when the same command is repeated; steps whose inputs did not change are not repeated. A
    violated gate of the recipe ends the command with exit code 1, after all results are written.

    Every run writes DIR/hubslice.lock: teacher, data and versions by content. Copy it beside your recipe as recipe.lock
    to share it. With --locked, models are taken at the locked commits, and a change of settings, of model files, of the
    data, or of a version of hubslice, torch, torchvision, timm, transformers, onnxruntime or pillow ends the command
    with exit code 2, and each is listed on a separate line. Other packages, Python, platform and device only give a
    warning: they change digits at most, but CPU and CUDA never give the same ones. To accept a change, run without
    --locked.
    """
    from hubslice.core.processes import leads
    from hubslice.core.progress import Silent
    from hubslice.run.run import open_run
    from hubslice.terminal.summary import show_run

    run = open_run(os.fspath(params.recipe), tuple(params.overrides), as_path(params.out), locked=params.locked)
    for difference in run.check_lock(params.device) if leads() else ():
        out.warning(difference)
    if dry_run:
        _show_plan(run, params)
        return
    reporter = out.progress() if leads() else Silent()
    run.execute(until=params.until, device=params.device, reporter=reporter, allow_pickle=params.allow_pickle)
    if not leads():
        return
    if params.until is not None and params.until != "report":
        folders = [str(run.folder.step(name)) for name in run.ends(params.until)]
        data = {"run": str(run.path), "until": params.until, "folders": folders}
        out.result(data, quiet=folders)
        return
    show_run(run)
    run.check_gates()


def _show_plan(run: Run, params: SliceParams) -> None:
    from hubslice.run.estimate.estimate import estimate
    from hubslice.terminal.dry_run import tell_estimate

    plan = estimate(run, params.until, params.device, out.progress(), allow_pickle=params.allow_pickle)
    out.result(plan, lambda: tell_estimate(plan, run.path), quiet=f"{plan.seconds:.0f}")
    for warning in plan.warnings:
        out.warning(warning)
