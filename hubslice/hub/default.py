"""The Hub that is used if a caller passes none."""

from __future__ import annotations

from collections.abc import Callable

from hubslice.hub.client import Client
from hubslice.hub.hub import Hub

connect: Callable[[], Hub] = Client


def default_hub() -> Hub:
    """Return the Hub configured by the environment."""
    return connect()
