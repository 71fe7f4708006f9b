"""Tokens where none should be: in a text that is shown, or in a file that is about to be published."""

from __future__ import annotations

import re

# A token of the Hub, and a login inside an address.
_SECRET = re.compile(r"\bhf_(?:[a-z]+_)?[A-Za-z0-9]{20,}|(?<=://)[^/\s:@\"']*:[^/\s@\"']+(?=@)")


def masked(text: str) -> str:
    """The text with every token and login blotted out."""
    return _SECRET.sub("***", text)


def secret_line(text: str, token: str | None) -> int | None:
    """The number of the first line that holds a token, `token` itself or a login; None if no line does."""
    for number, line in enumerate(text.splitlines(), 1):
        if _SECRET.search(line) or (token and token in line):
            return number
    return None
