"""Publish a student in one commit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hubslice.core.function import takes
from hubslice.core.progress import Reporter
from hubslice.verbs.push.params import PushParams

if TYPE_CHECKING:
    from hubslice.hub.push import PushPlan, PushResult


@takes(PushParams)
def plan_push(params: PushParams, reporter: Reporter) -> PushPlan:
    """Plan the commit of `push`; nothing on the Hub changes.

    A run's card is rendered for its repository, and edits in the existing README are kept. With `delta` a run's weights
    are stored as their exact difference to the teacher pinned by its lock, which `load` restores. If `sign_key` is
    encrypted, HUBSLICE_KEY_PASSWORD in the environment contains its password.

    Raises:
        GateError: the run violates gates of its recipe; `despite_gates` allows that.
        VerificationError: a file does not match the student's lock.
        LineageError: there is no such teacher on the Hub.
        InputError: the folder contains no model, or a poisoned one that was not allowed.
        PushError: the Hub cannot be reached or would refuse the commit.
    """
    from hubslice.verbs.push.service import plan_push as plan

    return plan(params, reporter)


@takes(PushParams)
def push(params: PushParams, reporter: Reporter) -> PushResult:
    """Publish a run's student, or a model folder, in one commit based on the one that the plan was made for.

    Raises:
        RunError: another process works in the run.
        GateError: the run violates gates of its recipe; `despite_gates` allows that.
        VerificationError: a file does not match the student's lock.
        InputError: the folder contains no model, or a poisoned one that was not allowed.
        PushError: somebody else pushed in between, or the Hub refused the commit; the repository is unchanged.
    """
    from hubslice.engine.run_folder import undisturbed
    from hubslice.hub.push import push as carry_out
    from hubslice.verbs.push.service import plan_push as plan

    with undisturbed(Path(params.folder)):
        return carry_out(plan(params, reporter), reporter)
