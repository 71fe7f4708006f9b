"""Parameters of `push`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Annotated

from hubslice.core.parameters import Argument, Option, Params
from hubslice.core.paths import AnyPath


@dataclass(frozen=True)
class PushParams(Params):
    """The student, its repository, and how it is published."""

    folder: Annotated[AnyPath, Argument("A finished run, or a model folder.", "RUN", path=True)]
    repo_id: Annotated[str, Argument("The repository on the Hub.", "OWNER/NAME")]
    _: KW_ONLY
    private: Annotated[bool, Option("Make a new repository private.")] = False
    create_pr: Annotated[bool, Option("Open a pull request instead of a commit.")] = False
    revision: Annotated[str | None, Option("Commit to this branch; default: main.", "BRANCH")] = None
    allow_poisoned: Annotated[bool, Option("Publish a model with a backdoor planted on purpose.")] = False
    despite_gates: Annotated[bool, Option("Publish a run that failed gates of its recipe.")] = False
    delta: Annotated[bool, Option("Publish the exact difference to the pinned teacher instead of the weights.")] = False
    sign_key: Annotated[AnyPath | None, Option("Sign the files with this private key.", "KEY.pem", exists=True)] = None
