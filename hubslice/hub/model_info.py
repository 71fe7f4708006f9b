"""Parse the Hub's untrusted information about a repository."""

from __future__ import annotations

import re

from huggingface_hub import ModelInfo

from hubslice.hub.hub import Repository
from hubslice.hub.integrity import Expected

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def repository(info: ModelInfo, repo_id: str) -> Repository:
    """Return the repository that the Hub's response describes.

    Raises:
        ValueError: the response is invalid.
    """
    if not is_commit(info.sha):
        raise ValueError(f"the commit of {repo_id} is {info.sha!r}")
    return Repository(str(info.sha), _files(info), gated=bool(info.gated), private=bool(info.private))


def is_commit(value: object) -> bool:
    """Return whether the value is a commit hash."""
    return _is(_COMMIT, value)


def _files(info: ModelInfo) -> dict[str, Expected]:
    """Return the checksum of each file by path."""
    found: dict[str, Expected] = {}
    for each in info.siblings or []:
        large = each.lfs.sha256 if each.lfs else None
        good = (
            isinstance(each.rfilename, str)
            and (each.size is None or (type(each.size) is int and each.size >= 0))
            and (large is None if each.lfs is None else _is(_SHA256, large))
            and (each.blob_id is None or _is(_COMMIT, each.blob_id))
        )
        if not good:
            raise ValueError(f"a file of {info.id} is listed as {each!r:.200}")
        found[each.rfilename] = Expected(each.size, sha256=large, git=None if large else each.blob_id)
    return found


def _is(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None
