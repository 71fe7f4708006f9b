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
    """What `push` would commit; nothing on the Hub changes.

    A run's card is rendered for its new home, around what people wrote in the README that is there. With `delta` a
    run's weights go as their exact difference to the teacher that its lock pins, which `load` puts together again. If
    `sign_key` is encrypted, HUBSLICE_KEY_PASSWORD in the environment holds its password.

    Raises:
        GateError: the run broke gates of its recipe; `despite_gates` allows that.
        VerificationError: a file is not the one that the student's lock lists.
        LineageError: there is no such teacher on the Hub.
        InputError: the folder holds no model, or a poisoned one that was not allowed.
        PushError: the Hub cannot be reached or would refuse.
    """
    from hubslice.verbs.push.service import plan_push as plan

    return plan(params, reporter)


@takes(PushParams)
def push(params: PushParams, reporter: Reporter) -> PushResult:
    """Publish a run's student, or a model folder, in one commit on the commit that was there when the plan was made.

    Raises:
        RunError: the run is being worked on.
        GateError: the run broke gates of its recipe; `despite_gates` allows that.
        VerificationError: a file is not the one that the student's lock lists.
        InputError: the folder holds no model, or a poisoned one that was not allowed.
        PushError: somebody else pushed in between, or the Hub refused; it is as it was.
    """
    from hubslice.engine.run_folder import undisturbed
    from hubslice.hub.push import push as carry_out
    from hubslice.verbs.push.service import plan_push as plan

    with undisturbed(Path(params.folder)):
        return carry_out(plan(params, reporter), reporter)
