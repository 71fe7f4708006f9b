"""Push a student to the Hub as one commit, based on the commit that the plan was made for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from hubslice.core.errors import PushError
from hubslice.core.numbers import amount, size_in_words
from hubslice.core.progress import SILENT, Reporter, stage
from hubslice.files.names import CARD, RESULTS, SIGNATURE
from hubslice.hub.hub import Change
from hubslice.hub.listing import look_up
from hubslice.hub.plan import PlannedFile, PushPlan, plan_push
from hubslice.hub.refusals import refused_as, status, unanswered
from hubslice.hub.session import pauses
from hubslice.hub.xet import by_xet

__all__ = ["PlannedFile", "PushPlan", "PushResult", "plan_push", "push"]


@dataclass(frozen=True)
class PushResult:
    """The student's location on the Hub. `pushed` is False if the Hub already had all of it, so no commit was made."""

    repo_id: str
    commit: str
    url: str
    pr_url: str | None
    pushed: bool


def push(plan: PushPlan, reporter: Reporter = SILENT) -> PushResult:
    """Execute a plan: create the repository if needed, then make one commit. `reporter` receives the progress.

    Raises:
        PushError: somebody else pushed since the plan was made, this login may not write, or the Hub cannot be reached.
            The files on the Hub are unchanged.
    """
    client, parent = plan.client, plan.parent
    if client.offline:
        raise PushError("cannot push: offline mode is on (HF_HUB_OFFLINE)", hint="unset HF_HUB_OFFLINE")
    if parent is not None and not plan.changes:
        return PushResult(plan.repo_id, parent, f"{plan.url}/commit/{parent}", None, pushed=False)
    if parent is not None:
        return _commit(plan, parent, reporter)
    try:
        with refused_as(PushError, f"create {plan.repo_id}", repo_id=plan.repo_id, client=client):
            client.create(plan.repo_id, private=plan.private)
    except PushError as error:
        if error.__cause__ is not None and unanswered(error.__cause__):
            error.hint = f"{error.hint}; the repository {plan.repo_id} may have been created, then it is empty so far"
        raise
    try:
        created = look_up(plan.repo_id, None, client, PushError, f"push to {plan.repo_id}")
        return _commit(plan, created.commit, reporter)
    except PushError as error:
        error.hint = f"{error.hint}; the repository {plan.repo_id} was created and is empty so far"
        raise


def _commit(plan: PushPlan, parent: str, reporter: Reporter) -> PushResult:
    doing = f"push to {plan.repo_id}"
    files = {file.path: _content(plan, file) for file in plan.changes}
    change = Change(plan.repo_id, files, plan.message, parent, plan.revision, plan.create_pr)
    size = size_in_words(sum(file.size for file in plan.changes if file.change != "deleted"))
    with (
        stage(reporter, "upload", f"Upload {amount(len(files), 'file')}, {size}"),
        refused_as(PushError, doing, repo_id=plan.repo_id, client=plan.client),
        by_xet(PushError, doing, plan.client, download=False),
    ):
        commit = plan.client.upload(change)
    tried = False
    for pause in pauses():
        try:
            with (
                stage(reporter, "commit", f"Commit to {plan.repo_id}"),
                refused_as(PushError, doing, repo_id=plan.repo_id, client=plan.client),
            ):
                made = commit()
            return PushResult(plan.repo_id, made.commit, made.url, made.pr_url, pushed=True)
        except PushError as error:
            unknown = error.__cause__ is not None and unanswered(error.__cause__)
            found = _landed(plan, parent) if (unknown or tried) and not plan.create_pr else None
            if found is not None:
                return PushResult(plan.repo_id, found, f"{plan.url}/commit/{found}", None, pushed=True)
            if pause is None or not unknown or not _again(plan, error):
                if unknown:
                    page = "discussions" if plan.create_pr else "commits/main"
                    error.hint = f"{error.hint}; the commit may still be made: see {plan.url}/{page}"
                raise
        tried = True
        time.sleep(pause)
    raise AssertionError("the last try returns or raises")


def _again(plan: PushPlan, error: PushError) -> bool:
    """Return whether the commit may be sent again.

    It has a parent, so the Hub accepts it at most once; a pull request could be opened twice. A server that did not
    respond at all may still be processing it.
    """
    return not plan.create_pr and (status(error.__cause__ or error) or 0) >= 500


def _content(plan: PushPlan, file: PlannedFile) -> Path | bytes | None:
    """Return the content of a planned file; None if it is deleted."""
    if file.change == "deleted":
        return None
    made = {CARD: plan.card, RESULTS: plan.results, SIGNATURE: plan.signature}.get(file.path)
    return plan.folder / file.path if made is None else made


def _landed(plan: PushPlan, parent: str) -> str | None:
    """Return the commit on the Hub if the branch has moved and now matches the plan; None otherwise or if unknown."""
    try:
        found = look_up(plan.repo_id, plan.revision, plan.client, PushError, f"look at {plan.repo_id}")
    except PushError:
        return None
    held = found.files
    done = all(
        (file.path not in held) if file.digest is None else file.path in held and held[file.path].met_by(file.digest)
        for file in plan.files
    )
    return found.commit if done and found.commit != parent else None
