"""What pushing a run or a model folder would commit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hubslice.card.render import render_card
from hubslice.card.results import benchmark_results
from hubslice.core.errors import GateError, InputError, LineageError
from hubslice.engine.run_folder import MANIFEST
from hubslice.hub.locked import check_folder
from hubslice.hub.push import PushPlan
from hubslice.hub.push import plan_push as make_plan
from hubslice.hub.signature import SigningIdentity, SigningKey, promised, require_installed
from hubslice.run.poisoning import TEACHER
from hubslice.run.run import Run, open_run, student_recipe
from hubslice.verbs.push.delta import little_saved, make_delta


def plan_push(
    path: Path,
    repo_id: str,
    *,
    private: bool,
    create_pr: bool,
    revision: str | None,
    allow_poisoned: bool,
    despite_gates: bool = False,
    delta: bool = False,
    signer: SigningKey | SigningIdentity | None = None,
) -> PushPlan:
    """Plan the commit of the run or the model folder at `path`; see `hubslice.verbs.push.function.plan_push`."""
    if signer is not None:
        require_installed("signing")
    if (path / MANIFEST).is_file() and not (path / TEACHER).is_dir():
        run = open_run(str(path))
        if run.student.is_dir():
            check_folder(run.student)  # before anything in it is believed
        if not despite_gates:
            _check_gates(run)
        report = run.report
        published = student_recipe(run)
        folder, facts = make_delta(path, run.student) if delta else (run.student, None)

        results = benchmark_results(report, published.card, repo_id)
        signed = None if signer is None else promised(signer)

        def render(existing: str | None) -> bytes:
            return render_card(report, published.card, published.text, repo_id, existing, facts, signed).encode()

        plan = make_plan(
            folder,
            repo_id,
            poisoned=False,
            render=render,
            private=private,
            create_pr=create_pr,
            revision=revision,
            signer=signer,
            results=None if results is None else results.encode(),
        )
        local = [f"recipe.yaml names a path of this machine: {value}" for value in published.local_paths]
        bulky = None if facts is None else little_saved(folder, facts)
        return replace(plan, warnings=(*plan.warnings, *local, *([bulky] if bulky else [])), delta=facts)
    if delta:
        raise LineageError(
            f"{path} is not a run; only a run knows which teacher, by its checksum, a difference is to",
            hint="leave out --delta, or name a run folder",
        )
    model = path / TEACHER if (path / TEACHER).is_dir() else path
    if not any((model / name).is_file() for name in ("config.json", "model.onnx")):
        raise InputError(f"{path} is neither a run nor a model folder", hint="make a run with `hubslice slice RECIPE`")
    return make_plan(
        model,
        repo_id,
        poisoned=False,  # the plan looks for the mark itself
        message="Upload a model made by hubslice",
        allow_poisoned=allow_poisoned,
        private=private,
        create_pr=create_pr,
        revision=revision,
        signer=signer,
    )


def _check_gates(run: Run) -> None:
    try:
        run.check_gates()
    except GateError as error:
        error.hint = f"{error.hint}; --despite-gates publishes it as it is"
        raise
