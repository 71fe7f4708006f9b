"""Which hub is asked where a caller names none."""

from __future__ import annotations

from collections.abc import Callable

from hubslice.hub.client import Client
from hubslice.hub.hub import Hub

connect: Callable[[], Hub] = Client


def default_hub() -> Hub:
    """The hub that the environment names.

    Raises:
        InputError: HF_TOKEN or HF_ENDPOINT cannot be used.
    """
    return connect()
