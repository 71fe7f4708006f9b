"""Putting a student on the Hub: one commit, onto the commit that the plan was made on."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from huggingface_hub import CommitOperationAdd, CommitOperationDelete

from hubslice.errors import PushError
from hubslice.hub.formats import CARD
from hubslice.hub.listing import expected_files
from hubslice.hub.plan import PlannedFile, PushPlan, plan_push
from hubslice.hub.refusals import HTTPError, refused_as, unanswered

__all__ = ["PlannedFile", "PushPlan", "PushResult", "plan_push", "push"]


@dataclass(frozen=True)
class PushResult:
    """Where the student is now. `pushed` is False if the Hub held all of it already: then no commit was made."""

    repo_id: str
    commit: str
    url: str
    pr_url: str | None
    pushed: bool


def push(plan: PushPlan) -> PushResult:
    """Carry out a plan: create the repository if need be, then one commit.

    Raises:
        PushError: somebody else pushed since the plan was made, this login may not write, or the Hub cannot be reached.
            The files on the Hub are as they were.
    """
    client, parent = plan.client, plan.parent
    if client.offline:
        raise PushError("cannot push: offline mode is on (HF_HUB_OFFLINE)", hint="unset HF_HUB_OFFLINE")
    if parent is not None and not plan.changes:
        return PushResult(plan.repo_id, parent, f"{plan.url}/commit/{parent}", None, pushed=False)
    if parent is not None:
        return _commit(plan, parent)
    with refused_as(PushError, f"create {plan.repo_id}", repo_id=plan.repo_id, client=client):
        client.api.create_repo(plan.repo_id, private=plan.private, exist_ok=False)
    try:
        with refused_as(PushError, f"push to {plan.repo_id}", repo_id=plan.repo_id, client=client):
            parent = str(client.api.model_info(plan.repo_id).sha)
        return _commit(plan, parent)
    except PushError as error:
        error.hint = f"{error.hint}; the repository {plan.repo_id} was created and is empty so far"
        raise


def _commit(plan: PushPlan, parent: str) -> PushResult:
    with refused_as(PushError, f"push to {plan.repo_id}", repo_id=plan.repo_id, client=plan.client):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the plan has shown them
                made = plan.client.api.create_commit(
                    plan.repo_id,
                    [_operation(plan, file) for file in plan.changes],
                    commit_message=plan.message,
                    revision=plan.revision,
                    create_pr=plan.create_pr,
                    parent_commit=parent,
                )
        except (HTTPError, RuntimeError) as error:
            # The answer may have been lost after the commit was made.
            found = _landed(plan, parent) if unanswered(error) and not plan.create_pr else None
            if found is None:
                raise
            return PushResult(plan.repo_id, found, f"{plan.url}/commit/{found}", None, pushed=True)
    return PushResult(plan.repo_id, made.oid, made.commit_url, made.pr_url, pushed=True)


def _operation(plan: PushPlan, file: PlannedFile) -> CommitOperationAdd | CommitOperationDelete:
    if file.change == "deleted":
        return CommitOperationDelete(path_in_repo=file.path, is_folder=False)
    if file.path == CARD and plan.card is not None:
        return CommitOperationAdd(path_in_repo=file.path, path_or_fileobj=plan.card)
    return CommitOperationAdd(path_in_repo=file.path, path_or_fileobj=plan.folder / file.path)


def _landed(plan: PushPlan, parent: str) -> str | None:
    """The commit on the Hub, if the branch has moved and now holds what the plan wanted."""
    try:
        info = plan.client.api.model_info(plan.repo_id, revision=plan.revision, files_metadata=True)
    except (HTTPError, OSError):
        return None
    held = expected_files(info)
    done = all(
        (file.path not in held) if file.digest is None else file.path in held and held[file.path].met_by(file.digest)
        for file in plan.files
    )
    return str(info.sha) if done and info.sha != parent else None
