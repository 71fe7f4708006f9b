"""Text made safe to print: one line, no tokens, no control characters."""

from __future__ import annotations

from hubslice.core.escaping import line
from hubslice.hub.secret import masked


def printable(text: str) -> str:
    """The text on one line, without tokens, and with what could steer a terminal made visible."""
    return line(masked(text))
