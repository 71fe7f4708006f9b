"""What a card tells people to install: only what is there for them."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from hubslice.engine.environment import requirement

COMMIT = "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567"
GIT = {"vcs": "git", "commit_id": COMMIT, "requested_revision": "main"}


@pytest.mark.parametrize(
    ("origin", "told"),
    [
        (None, "hubslice==9.8.7"),
        ({"url": "file:///home/me/hubslice", "dir_info": {"editable": True}}, None),
        ({"url": "file:///tmp/hubslice.whl", "archive_info": {}}, None),
        ({"url": "https://github.com/you/h", "vcs_info": GIT}, f"hubslice @ git+https://github.com/you/h@{COMMIT}"),
        ({"url": "ssh://git@github.com/you/hubslice", "vcs_info": GIT}, None),
        ({"url": "https://token@github.com/you/hubslice", "vcs_info": GIT}, None),
        ({"url": "https://me:secret@github.com/you/hubslice", "vcs_info": GIT}, None),
        ({"url": "file:///home/me/hubslice", "vcs_info": GIT}, None),
    ],
)  # fmt: skip
def test_where_this_hubslice_is_from(
    origin: dict[str, object] | None, told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"INSTALLER": "pip\n"} | ({} if origin is None else {"direct_url.json": json.dumps(origin)})
    found = SimpleNamespace(version="9.8.7", read_text=files.get)
    monkeypatch.setattr("hubslice.engine.environment.metadata.distribution", lambda _: found)
    requirement.cache_clear()
    try:
        assert requirement() == told
    finally:
        requirement.cache_clear()
