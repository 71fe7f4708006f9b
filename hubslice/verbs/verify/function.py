"""Check every claim of a student."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hubslice.core.paths import AnyPath, as_path
from hubslice.core.progress import Reporter

if TYPE_CHECKING:
    from hubslice.verbs.verify.facts import Verification


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

    `sample` images of each kind are judged again, with `full` all; `data` is where a copy of the data lies. `key` is
    the public key (PEM) that the files must be signed with; else `identity` must have signed them, as said by
    `identity_provider`, through Sigstore.

    Raises:
        InputError: the target makes no claims, or `data` cannot be opened.
        RunError: the run is being worked on.
        HubError: the target cannot be fetched.
    """
    from hubslice.hub.signature import trusted_signer
    from hubslice.verbs.verify.service import verify as check

    return check(
        os.fspath(target),
        sample=sample,
        full=full,
        data=as_path(data),
        device=device,
        trusted=trusted_signer(as_path(key), identity, identity_provider),
        reporter=reporter,
    )
