"""Identify files that are neither an image nor a table, for error messages."""

from __future__ import annotations

from pathlib import Path

_START = 64  # bytes


def mistaken(file: bytes | Path) -> str | None:
    """Describe the file that was taken for an image or a table, as text after a colon; None if it is not recognised."""
    if isinstance(file, Path):
        try:
            with file.open("rb") as stream:
                file = stream.read(_START)
        except OSError:
            return None
    start = file[:_START].lstrip().lower()
    if not file:
        return "the file is empty"
    if start.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS in place of the file, which `git lfs pull` fetches"
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page, as a failed download leaves it"
    return None
