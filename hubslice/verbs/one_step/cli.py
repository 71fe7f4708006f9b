"""`hubslice profile`, `audit` and `card`: one step of a run, done (again) by itself."""

from __future__ import annotations

from typing import Annotated

import typer

from hubslice.terminal.options import (
    DeviceOption,
    JsonOption,
    OutOption,
    OverridesArgument,
    QuietOption,
    RunnableArgument,
    examples,
)
from hubslice.terminal.output import out

ForceOption = Annotated[bool, typer.Option("--force", help="Do the step again even if its result is there.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        "profile",
        epilog=examples(
            "hubslice profile recipe.yaml",
            "hubslice profile runs/drawings --force --device cuda:0",
            "hubslice profile recipe.yaml profile.criterion=tknc profile.k=10 --json",
        ),
    )(profile)
    app.command(
        "audit",
        epilog=examples(
            "hubslice audit runs/drawings",
            "hubslice audit runs/drawings --force --device cuda:0",
            "hubslice audit recipe.yaml audit.samples=400 --json",
        ),
    )(audit)
    app.command(
        "card",
        epilog=examples(
            "hubslice card runs/drawings",
            "hubslice card runs/drawings card.title='Clip art classifier'",
            "hubslice card runs/drawings --json",
        ),
    )(card)


def profile(
    recipe: RunnableArgument,
    overrides: OverridesArgument = None,
    folder: OutOption = None,
    force: ForceOption = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Count on how many training images each neuron of the teacher is active.

    One pass with ONNX Runtime, the statistics reduced inside the graph; memory does not grow with the data.
    """
    from hubslice.artefacts.profile import Profile
    from hubslice.run.run import open_run
    from hubslice.run.steps.slicing import PROFILE

    run = open_run(recipe, tuple(overrides or ()), folder)
    run.execute(until="profile", device=device, reporter=out.progress(), force=_forced("profile", force))
    path = run.folder.step("profile") / PROFILE
    found = Profile.load(path)
    share = {key: float((counts > 0).mean()) for key, counts in found.counts.items()}
    facts = {
        "profile": str(path),
        "criterion": str(found.criterion),
        "samples": found.samples,
        "neurons": found.neurons,
        "provider": found.provider,
    }
    data = facts | {"tensors": {key: {"neurons": found.counts[key].size, "ever_active": share[key]} for key in share}}
    out.result(data, lambda: out.fields(facts), quiet=path)


def audit(
    recipe: RunnableArgument,
    overrides: OverridesArgument = None,
    folder: OutOption = None,
    force: ForceOption = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure inherited defects on the saved student and its baselines, then renew report and card.

    Steps that the audit needs are run first where they are missing.
    """
    _renew(recipe, overrides, folder, "audit", force, device)


def card(
    recipe: RunnableArgument,
    overrides: OverridesArgument = None,
    folder: OutOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Render report, plots and model card of a run again, for instance with other words for the card.

    Steps that are missing are run first.
    """
    _renew(recipe, overrides, folder, "report", True, "auto")


def _renew(recipe: str, overrides: list[str] | None, folder: OutOption, kind: str, force: bool, device: str) -> None:
    from hubslice.run.run import open_run
    from hubslice.terminal.summary import show_run

    run = open_run(recipe, tuple(overrides or ()), folder)
    run.execute(device=device, reporter=out.progress(), force=_forced(kind, force))
    show_run(run)
    run.check_gates()


def _forced(kind: str, force: bool) -> frozenset[str]:
    return frozenset({kind}) if force else frozenset()
