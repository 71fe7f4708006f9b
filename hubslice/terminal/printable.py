"""Make text safe to print: one line, no tokens, no control characters."""

from __future__ import annotations

from hubslice.core.escaping import line
from hubslice.hub.secret import masked


def printable(text: str) -> str:
    """Return the text as one line, without tokens, and with control characters made visible."""
    return line(masked(text))
