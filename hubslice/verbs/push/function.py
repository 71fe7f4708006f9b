"""Publish a student in one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubslice.core.paths import AnyPath, as_path
from hubslice.core.progress import Reporter, Silent
from hubslice.engine.run_folder import undisturbed

if TYPE_CHECKING:
    from hubslice.hub.push import PushPlan, PushResult


def plan_push(
    folder: AnyPath,
    repo_id: str,
    *,
    private: bool = False,
    create_pr: bool = False,
    revision: str | None = None,
    allow_poisoned: bool = False,
    despite_gates: bool = False,
    delta: bool = False,
    sign_key: AnyPath | None = None,
) -> PushPlan:
    """What `push` would commit; nothing on the Hub changes.

    `folder` is a run, or a model folder such as those that `poison` and `convert` make. A run's card is rendered for
    its new home, around what people wrote in the README that is there. With `delta` a run's weights go as their exact
    difference to the teacher that its lock pins, which `load` puts together again. `sign_key` is a private key (PEM)
    that signs the files; if it is encrypted, HUBSLICE_KEY_PASSWORD in the environment holds its password.

    Raises:
        GateError: the run broke gates of its recipe; `despite_gates` allows that.
        VerificationError: a file is not the one that the student's lock lists.
        LineageError: there is no such teacher on the Hub.
        InputError: the folder holds no model, or a poisoned one that was not allowed.
        PushError: the Hub cannot be reached or would refuse.
    """
    from hubslice.hub.signature import given_signer
    from hubslice.verbs.push.service import plan_push as plan

    return plan(
        as_path(folder),
        repo_id,
        private=private,
        create_pr=create_pr,
        revision=revision,
        allow_poisoned=allow_poisoned,
        despite_gates=despite_gates,
        delta=delta,
        signer=given_signer(as_path(sign_key), identity=False, interactive=False),
    )


def push(
    folder: AnyPath,
    repo_id: str,
    *,
    private: bool = False,
    create_pr: bool = False,
    revision: str | None = None,
    allow_poisoned: bool = False,
    despite_gates: bool = False,
    delta: bool = False,
    sign_key: AnyPath | None = None,
    reporter: Reporter | None = None,
) -> PushResult:
    """Publish a run's student, or a model folder, in one commit on the commit that was there when the plan was made.

    Raises:
        RunError: the run is being worked on.
        GateError: the run broke gates of its recipe; `despite_gates` allows that.
        VerificationError: a file is not the one that the student's lock lists.
        InputError: the folder holds no model, or a poisoned one that was not allowed.
        PushError: somebody else pushed in between, or the Hub refused; it is as it was.
    """
    from hubslice.hub.push import push as carry_out

    with undisturbed(as_path(folder)):
        return carry_out(
            plan_push(
                folder,
                repo_id,
                private=private,
                create_pr=create_pr,
                revision=revision,
                allow_poisoned=allow_poisoned,
                despite_gates=despite_gates,
                delta=delta,
                sign_key=sign_key,
            ),
            reporter or Silent(),
        )
