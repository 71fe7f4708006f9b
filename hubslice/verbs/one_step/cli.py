"""`hubslice profile`, `audit` and `card`: run one step of a run, or run it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from hubslice.core.paths import as_path, as_text
from hubslice.terminal.options import examples
from hubslice.terminal.output import out
from hubslice.terminal.parameters import command
from hubslice.verbs.one_step.params import CardParams, StepParams

if TYPE_CHECKING:
    from hubslice.run.run import Run


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        "profile",
        epilog=examples(
            "hubslice profile recipe.yaml",
            "hubslice profile runs/drawings --force --device cuda:0",
            "hubslice profile recipe.yaml profile.criterion=tknc profile.k=10 --json",
        ),
    )(command(profile))
    app.command(
        "audit",
        epilog=examples(
            "hubslice audit runs/drawings",
            "hubslice audit runs/drawings --force --device cuda:0",
            "hubslice audit recipe.yaml audit.samples=400 --json",
        ),
    )(command(audit))
    app.command(
        "card",
        epilog=examples(
            "hubslice card runs/drawings",
            "hubslice card runs/drawings card.title='Clip art classifier'",
            "hubslice card runs/drawings --json",
        ),
    )(command(card))


def profile(params: StepParams) -> None:
    """Count on how many training images each neuron of the teacher is active.

    One pass with ONNX Runtime, with statistics reduced inside the graph; memory does not grow with the data.
    """
    from hubslice.artefacts.profile import Profile
    from hubslice.run.steps.slicing import PROFILE

    run = _opened(params)
    run.execute(until="profile", device=params.device, reporter=out.progress(), force=_forced("profile", params.force))
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


def audit(params: StepParams) -> None:
    """Measure inherited defects on the saved student and its baselines, then update report and card.

    Missing steps that the audit needs are run first.
    """
    _renew(params, "audit", params.force, params.device)


def card(params: CardParams) -> None:
    """Render report, plots and model card of a run again, for instance with another text for the card.

    Missing steps are run first.
    """
    _renew(params, "report", True, "auto")


def _opened(params: CardParams) -> Run:
    from hubslice.run.run import open_run

    return open_run(as_text(params.recipe), tuple(params.overrides), as_path(params.out))


def _renew(params: CardParams, kind: str, force: bool, device: str) -> None:
    from hubslice.terminal.summary import show_run

    run = _opened(params)
    run.execute(device=device, reporter=out.progress(), force=_forced(kind, force))
    show_run(run)
    run.check_gates()


def _forced(kind: str, force: bool) -> frozenset[str]:
    return frozenset({kind}) if force else frozenset()
