"""From a recipe to a published student."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hubslice.paths import AnyPath, as_path
from hubslice.pipeline.poison import Poisoned
from hubslice.pipeline.poison import poison as _poison
from hubslice.pipeline.run import Run, open_run
from hubslice.pipeline.run_folder import undisturbed
from hubslice.progress import Reporter, Silent
from hubslice.recipe.load import load_recipe

if TYPE_CHECKING:
    from hubslice.artefacts.verification import Verification
    from hubslice.hub.push import PushPlan, PushResult


def slice(  # noqa: A001 (the verb's name)
    recipe: AnyPath,
    *,
    out: AnyPath | None = None,
    overrides: Sequence[str] = (),
    until: str | None = None,
    locked: bool = False,
    device: str = "auto",
    allow_pickle: bool = False,
    reporter: Reporter | None = None,
) -> Run:
    """Make a student: the whole chain to a run folder, or up to the step `until`. Finished steps are not repeated.

    `recipe` is a file, a built-in recipe, a run folder, or `owner/name[@revision]` of a published student. Gates are
    not judged here: see `Run.check_gates`. With `locked` the run keeps to its lock: see `open_run`. `allow_pickle` is
    as in `pull`.

    Raises:
        LockError: the run would not be the locked one.
        RecipeError: the recipe has mistakes.
        HubsliceError: a step failed.
    """
    run = open_run(os.fspath(recipe), tuple(overrides), as_path(out), locked=locked)
    run.execute(until=until, device=device, reporter=reporter, allow_pickle=allow_pickle)
    return run


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
    from hubslice.pipeline.push import plan_push as plan

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


def verify(
    target: AnyPath,
    *,
    sample: int = 64,
    full: bool = False,
    data: AnyPath | None = None,
    device: str = "auto",
    key: AnyPath | None = None,
    identity: str | None = None,
    identity_provider: str | None = None,
    reporter: Reporter | None = None,
) -> Verification:
    """Check every claim of a run, of a published student `owner/name[@revision]`, or of a folder with one.

    `sample` pictures of each kind are judged again, with `full` all; `data` is where a copy of the data lies. `key` is
    the public key (PEM) that the files must be signed with; else `identity` must have signed them, as said by
    `identity_provider`, through Sigstore.

    Raises:
        InputError: the target makes no claims, or `data` cannot be opened.
        RunError: the run is being worked on.
        HubError: the target cannot be fetched.
    """
    from hubslice.hub.signature import trusted_signer
    from hubslice.pipeline.verify import verify as check

    return check(
        os.fspath(target),
        sample=sample,
        full=full,
        data=as_path(data),
        device=device,
        trusted=trusted_signer(as_path(key), identity, identity_provider),
        reporter=reporter,
    )


def poison(
    recipe: AnyPath,
    *,
    out: AnyPath | None = None,
    overrides: Sequence[str] = (),
    device: str = "auto",
    allow_pickle: bool = False,
    reporter: Reporter | None = None,
) -> Poisoned:
    """Make a deliberately backdoored teacher, labelled as such, for tests, demonstrations and benchmarks.

    `allow_pickle` is as in `pull`.

    Raises:
        RecipeError: the recipe has mistakes or is of another kind.
        HubsliceError: a step failed.
    """
    loaded = load_recipe(os.fspath(recipe), tuple(overrides))
    return _poison(loaded, as_path(out), device=device, reporter=reporter, allow_pickle=allow_pickle)
