"""Limit the waits of Xet, the storage of large files, whose client has its own connections without hubslice's limits.

The client, hf_xet, reads its settings from environment variables when the first transfer starts. By default it retries
a failing server for minutes, and waits half an hour for a silent one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from hubslice.core.errors import HubError
from hubslice.hub.hub import Hub

# Described at https://docs.rs/xet-runtime. Values set by the user are kept.
_PATIENCE: Final = {
    "HF_XET_CLIENT_RETRY_MAX_ATTEMPTS": "2",
    "HF_XET_CLIENT_RETRY_BASE_DELAY": "1s",
    "HF_XET_CLIENT_CONNECT_TIMEOUT": "5s",
}
# This one includes the time to send a request of up to 64 MB, so it is too short for uploads over a slow connection; a
# process that has downloaded with Xet keeps it.
_SILENCE: Final = {"HF_XET_CLIENT_READ_TIMEOUT": "60s"}
_WORDING: Final = re.compile(r"[A-Z][\w/ ]* error: ")


@contextmanager
def by_xet(kind: type[HubError], doing: str, client: Hub, *, download: bool) -> Iterator[None]:
    """Limit the waits of hf_xet, and raise `kind` for its errors in the block; `doing` completes "cannot ...".

    Other errors are not changed.
    """
    for name, value in {**_PATIENCE, **(_SILENCE if download else {})}.items():
        os.environ.setdefault(name, value)
    try:
        yield
    except (RuntimeError, OSError) as error:
        if not of_xet(error):
            raise
        why = client.without_token(" ".join(str(error).split()))
        raise kind(
            f"cannot {doing}: the storage of large files (Xet) does not {'give' if download else 'take'} them: {why}",
            hint="check the connection, and that no firewall is in the way to that address; then run again; "
            "HF_HUB_DISABLE_XET=1 does without that storage",
        ) from error


def of_xet(error: BaseException) -> bool:
    """Return whether the error is from hf_xet, which mostly raises Python's own errors without an errno."""
    if type(error).__module__ == "hf_xet":
        return True
    plain = type(error).__module__ == "builtins" and getattr(error, "errno", None) is None
    return plain and _WORDING.match(str(error)) is not None
