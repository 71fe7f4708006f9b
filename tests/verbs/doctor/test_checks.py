from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from hubslice.hub.hub import Login
from hubslice.verbs.doctor import checks
from hubslice.verbs.doctor.checks import Finding
from tests.terminal.conftest import Hubslice, hubslice

__all__ = ["hubslice"]


def _broken() -> Iterable[Finding]:
    raise OSError("libcudart.so: cannot open\nmore")


def _fine() -> Iterable[Finding]:
    yield Finding("fine", "ok", "all well")


def test_a_check_that_breaks_is_a_finding(hubslice: Hubslice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "CHECKS", (_fine, _broken))
    code, stdout, stderr = hubslice("doctor")
    assert code == 1
    assert stdout == "CHECK\tSTATE\tDETAIL\nfine\tok\tall well\nbroken\tfail\tOSError: libcudart.so: cannot open\n"
    assert stderr == "hint: broken: reinstall hubslice\n"
    assert hubslice("doctor", "--quiet") == (1, "broken\n", "")


def test_two_runtimes_are_warned_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "version", lambda _: "1.0")
    states = {finding.name: finding.state for finding in checks._packages()}
    assert states == {"packages": "ok", "onnxruntime": "warn"}


@pytest.mark.parametrize(("role", "state"), [("read", "warn"), ("write", "ok"), ("fineGrained", "ok")])
def test_rights_of_a_token(role: str, state: str) -> None:
    finding = checks._rights(Login("alice", (), role))
    assert (finding.state, role in finding.detail) == (state, True)


def test_a_cache_behind_a_folder_that_may_not_be_entered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(closed / "hub" / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(closed / "hub" / "models"))
    stat, access = os.stat, os.access

    def refused(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
        """As the system does for anybody but root, whom it lets in everywhere."""
        if closed in Path(path).parents:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", refused)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != closed and access(path, mode))
    disk, cache = checks._disk()
    assert (disk.name, cache.name, cache.state) == ("disk", "cache", "fail")
    assert cache.detail == f"cannot write {closed}/hub/models"
    assert cache.hint.startswith("set HF_HUB_CACHE to a folder that this user may write")


def test_a_cache_below_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "file" / "models"))
    assert [finding.state for finding in checks._disk()][1] == "fail"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "new" / "models"))
    assert [finding.state for finding in checks._disk()][1] != "fail" or shutil.disk_usage(tmp_path).free < 2**30
