"""Find and mask tokens in output and in files to be published."""

from __future__ import annotations

import re

# A token of the Hub, and a login inside a URL.
_SECRET = re.compile(r"\bhf_(?:[a-z]+_)?[A-Za-z0-9]{20,}|(?<=://)[^/\s:@\"']*:[^/\s@\"']+(?=@)")


def masked(text: str) -> str:
    """Mask all tokens and logins in the text."""
    return _SECRET.sub("***", text)


def secret_line(text: str, token: str | None) -> int | None:
    """Return the number of the first line that contains a token, `token` itself or a login; None if there is none."""
    for number, line in enumerate(text.splitlines(), 1):
        if _SECRET.search(line) or (token and token in line):
            return number
    return None
