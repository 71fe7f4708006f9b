"""Plan the push of a run or a model folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hubslice.card.hub_rules import license_doubts
from hubslice.card.render import render_card
from hubslice.card.results import benchmark_results
from hubslice.core.errors import GateError, InputError, LineageError
from hubslice.core.paths import as_path
from hubslice.core.progress import Reporter, stage
from hubslice.engine.run_folder import MANIFEST
from hubslice.hub.locked import check_folder
from hubslice.hub.push import PushPlan
from hubslice.hub.push import plan_push as make_plan
from hubslice.hub.signature import SigningIdentity, SigningKey, given_signer, promised, require_installed
from hubslice.run.poisoning import TEACHER
from hubslice.run.run import Run, open_run, student_recipe
from hubslice.verbs.push.delta import little_saved, make_delta
from hubslice.verbs.push.params import PushParams


def plan_push(params: PushParams, reporter: Reporter, signer: SigningKey | SigningIdentity | None = None) -> PushPlan:
    """Plan the commit of a run or a model folder, signed by `signer`, by default with the key in the parameters."""
    signer = signer or given_signer(as_path(params.sign_key), identity=False, interactive=False)
    if signer is not None:
        require_installed("signing")
    path = Path(params.folder)
    with stage(reporter, "plan", f"Compare {path} with {params.repo_id}"):
        if (path / MANIFEST).is_file() and not (path / TEACHER).is_dir():
            return _of_run(path, params, signer)
        return _of_model(path, params, signer)


def _of_run(path: Path, params: PushParams, signer: SigningKey | SigningIdentity | None) -> PushPlan:
    run = open_run(str(path))
    if run.student.is_dir():
        check_folder(run.student)  # before anything in it is trusted
    if not params.despite_gates:
        _check_gates(run)
    report = run.report
    published = student_recipe(run)
    folder, facts = make_delta(path, run.student) if params.delta else (run.student, None)

    results = benchmark_results(report, published.card, params.repo_id)
    signed = None if signer is None else promised(signer)

    def render(existing: str | None) -> bytes:
        card = render_card(report, published.card, published.text, params.repo_id, existing, facts, signed)
        return card.encode()

    plan = make_plan(
        folder,
        params.repo_id,
        poisoned=False,
        render=render,
        private=params.private,
        create_pr=params.create_pr,
        revision=params.revision,
        signer=signer,
        results=None if results is None else results.encode(),
    )
    local = [f"recipe.yaml names a path of this machine: {value}" for value in published.local_paths]
    bulky = None if facts is None else little_saved(folder, facts)
    doubts = license_doubts(None if plan.card is None else plan.card.decode(), published.card.license)
    return replace(plan, warnings=(*plan.warnings, *local, *doubts, *([bulky] if bulky else [])), delta=facts)


def _of_model(path: Path, params: PushParams, signer: SigningKey | SigningIdentity | None) -> PushPlan:
    if params.delta:
        raise LineageError(
            f"{path} is not a run; only a run knows which teacher, by its checksum, a difference is to",
            hint="leave out --delta, or name a run folder",
        )
    model = path / TEACHER if (path / TEACHER).is_dir() else path
    if not any((model / name).is_file() for name in ("config.json", "model.onnx")):
        raise InputError(f"{path} is neither a run nor a model folder", hint="make a run with `hubslice slice RECIPE`")
    return make_plan(
        model,
        params.repo_id,
        poisoned=False,  # the plan reads the model's own declaration
        message="Upload a model made by hubslice",
        allow_poisoned=params.allow_poisoned,
        private=params.private,
        create_pr=params.create_pr,
        revision=params.revision,
        signer=signer,
    )


def _check_gates(run: Run) -> None:
    try:
        run.check_gates()
    except GateError as error:
        error.hint = f"{error.hint}; --despite-gates publishes it as it is"
        raise
