"""`hubslice push`: publish a student."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubslice.core.cells import cell, mebibytes, percent
from hubslice.core.numbers import amount
from hubslice.core.parameters import Option
from hubslice.core.paths import as_path
from hubslice.terminal.options import examples
from hubslice.terminal.output import out
from hubslice.terminal.parameters import Before, command
from hubslice.verbs.push.params import PushParams

if TYPE_CHECKING:
    from hubslice.artefacts.delta import DeltaFacts
    from hubslice.hub.push import PushPlan, PushResult


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "push",
        epilog=examples(
            "hubslice push runs/drawings owner/drawings --dry-run",
            "hubslice push runs/drawings owner/drawings",
            "hubslice push runs/drawings owner/drawings --private",
            "hubslice push runs/drawings somebody/model --create-pr",
            "hubslice push runs/drawings owner/drawings-delta --delta",
            "hubslice push runs/drawings owner/drawings --sign-key key.pem",
        ),
    )(command(push))


def push(
    params: PushParams,
    dry_run: Annotated[
        bool, Option("Show what would be committed, without changing anything."), Before("allow_poisoned")
    ] = False,
    sign: Annotated[
        bool, Option("Sign the files with your logged-in identity, through Sigstore."), Before("sign_key")
    ] = False,
) -> None:
    """Publish weights, config, card, slice, recipe, evidence and plots in one commit.

    Edits to the README on the Hub are kept; only hubslice's marked sections are replaced. If somebody else pushed in
    between, nothing is changed and the command exits with code 3. A run that violates gates of its recipe is not
    published: exit code 1.

    Every file must be the one that was measured: it is compared with the checksums in hubslice.lock, and if one differs
    nothing is pushed, exit code 1. README.md may be edited, and files may be added.

    With --delta the weights are stored as their difference to the teacher: `hubslice.load` restores them and verifies
    every byte; other libraries cannot load such a repository.

    With --sign-key or --sign a signature of all files except README.md is added: model.sig, in the OMS format of the
    package model-signing. The key is an elliptic curve key in PEM; if it is encrypted, the variable
    HUBSLICE_KEY_PASSWORD contains its password.
    """
    from hubslice.core.progress import Silent
    from hubslice.engine.run_folder import undisturbed
    from hubslice.hub.push import push as carry_out
    from hubslice.hub.signature import SigningIdentity, given_signer
    from hubslice.verbs.push.service import plan_push

    signer = given_signer(
        as_path(params.sign_key), identity=sign, interactive=out.mode == "human" and sys.stdin.isatty()
    )
    if dry_run and isinstance(signer, SigningIdentity):
        out.info("model.sig is not in the list: an identity signs when it is pushed")
        signer = None
    reporter = out.progress()
    asks = isinstance(signer, SigningIdentity)  # on the terminal, where no progress may be drawn meanwhile
    with undisturbed(Path(params.folder)):
        plan = plan_push(params, Silent() if asks else reporter, signer)
        for warning in plan.warnings:
            out.warning(warning)
        if dry_run:
            if plan.delta is not None:
                out.info(_saved(plan.delta))
            out.result(_plain(plan), lambda: _tell(plan), quiet=plan.url)
            return
        result = carry_out(plan, reporter)
    data = {
        "repo_id": result.repo_id,
        "commit": result.commit,
        "url": result.url,
        "pr_url": result.pr_url,
        "pushed": result.pushed,
        "files": len(plan.changes),
        "delta": _delta(plan),
    }
    if not result.pushed:
        out.info("the Hub holds all of this already; no commit was made")
    out.result(data, lambda: out.fields(_told(result, plan)), quiet=result.pr_url or result.url)


def _told(result: PushResult, plan: PushPlan) -> dict[str, object]:
    told: dict[str, object] = {"repository": result.repo_id, "commit": result.commit, "page": result.url}
    told |= {"pull request": result.pr_url, "files": len(plan.changes)}
    return told | ({"weights": _saved(plan.delta)} if plan.delta is not None else {})


def _saved(delta: DeltaFacts) -> str:
    """Describe how much smaller a delta is than the weights."""
    part, whole = (cell(mebibytes(size)) for size in (delta.size, delta.student.size))
    share = cell(percent(delta.size / delta.student.size))
    return f"the difference to {delta.teacher} takes {part} MiB in place of {whole} ({share} %)"


def _plain(plan: PushPlan) -> dict[str, object]:
    files = [{"path": f.path, "size": f.size, "change": f.change, "lfs": f.lfs} for f in plan.files]
    return {
        "repo_id": plan.repo_id,
        "exists": plan.exists,
        "parent": plan.parent,
        "private": plan.private,
        "create_pr": plan.create_pr,
        "files": files,
        "upload_bytes": _upload(plan),
        "warnings": list(plan.warnings),
        "delta": _delta(plan),
    }


def _delta(plan: PushPlan) -> dict[str, object] | None:
    if plan.delta is None:
        return None
    sizes = {"bytes": plan.delta.size, "bytes_whole": plan.delta.student.size}
    return {"teacher": plan.delta.teacher, "commit": plan.delta.commit, **sizes}


def _tell(plan: PushPlan) -> None:
    rows = [{"change": file.change, "size": file.size, "path": file.path} for file in plan.files]
    out.table(rows, {"change": "CHANGE", "size": "SIZE (bytes)", "path": "FILE"})
    where = f"onto {plan.parent[:12]}" if plan.parent else "into a new repository"
    kind = "a pull request" if plan.create_pr else "one commit"
    files = amount(len(plan.changes), "file")
    out.info(f"{kind} {where} at {plan.url}: {files}, {_upload(plan) / 2**20:.1f} MiB to upload")


def _upload(plan: PushPlan) -> int:
    return sum(file.size for file in plan.changes if file.change != "deleted")
