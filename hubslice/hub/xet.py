"""Large files come and go by Xet, a storage beside the Hub with connections of its own, which know no limits of ours.

Its client, hf_xet, takes its settings from environment variables when the first transfer begins. By its defaults it
tries a server in trouble for minutes, and one that keeps silent for half an hour.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from hubslice.core.errors import HubError
from hubslice.hub.hub import Hub

# As https://docs.rs/xet-runtime describes them. What the user has set stays.
_PATIENCE: Final = {
    "HF_XET_CLIENT_RETRY_MAX_ATTEMPTS": "2",
    "HF_XET_CLIENT_RETRY_BASE_DELAY": "1s",
    "HF_XET_CLIENT_CONNECT_TIMEOUT": "5s",
}
# This one includes the time that a request of up to 64 MB takes to be sent, so it is too short for uploads by a slow
# line; a process that has downloaded by Xet keeps it.
_SILENCE: Final = {"HF_XET_CLIENT_READ_TIMEOUT": "60s"}
_WORDING: Final = re.compile(r"[A-Z][\w/ ]* error: ")


@contextmanager
def by_xet(kind: type[HubError], doing: str, client: Hub, *, download: bool) -> Iterator[None]:
    """Limit the waits of hf_xet, and raise `kind` for its errors in the block; `doing` completes "cannot ...".

    Other errors pass.
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
    """Whether hf_xet raised it, mostly as one of Python's own errors without a number."""
    if type(error).__module__ == "hf_xet":
        return True
    plain = type(error).__module__ == "builtins" and getattr(error, "errno", None) is None
    return plain and _WORDING.match(str(error)) is not None
