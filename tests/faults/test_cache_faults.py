"""A cache that cannot be written: which folder, why, and the variable that moves it; never the Hub's fault."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from hubslice.core.errors import DiskError, FetchError
from hubslice.core.machine import cache_fault
from hubslice.terminal.errors import describe
from hubslice.verbs.doctor import checks
from tests.fake_hub import HubServer
from tests.faults.conftest import Refused
from tests.faults.hub_faults import TOKEN
from tests.faults.hub_setup import hub, impatient, never_seen, refuse, teacher
from tests.images import write_parquet

__all__ = ["hub", "impatient", "never_seen", "teacher"]

READ_ONLY = """
import os, subprocess, sys
home = sys.argv[1]
subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", home], check=True)
from hubslice.app import run
raise SystemExit(run(["pull", "alice/teacher", "--out", "out"]))
"""


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (errno.EACCES, "no right to"),
        (errno.EPERM, "no right to"),
        (errno.EROFS, "the file system is read-only"),
        (errno.ENOTDIR, "a file, not a folder"),
    ],
)
@pytest.mark.parametrize("place", ["{cache}", "{cache}/models--alice--teacher/refs", "{cache.parent}"])
def test_an_error_of_the_system_in_a_cache(
    number: int, why: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "home" / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(cache.parent))
    error = OSError(number, os.strerror(number), place.format(cache=cache))
    wrapped = FetchError("cannot fetch it")
    wrapped.__cause__ = error
    for raised in (error, wrapped):
        told = describe(raised)
        assert told.exit_code == DiskError.exit_code == 2
        assert f"cannot write the cache of the Hub at {cache}" in told.message
        assert why in told.message
        assert told.hint == f"set HF_HOME to a folder that this user may write; it is {cache.parent}"


def test_other_places_are_not_taken_for_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "home" / "hub"))
    out = tmp_path / "run" / "x"
    assert cache_fault(PermissionError(errno.EACCES, "Permission denied", str(out))) is None
    assert cache_fault(PermissionError(errno.EACCES, "Permission denied")) is None
    assert cache_fault(FileNotFoundError(errno.ENOENT, "no", str(tmp_path / "home" / "hub"))) is None
    assert "--out" in str(describe(PermissionError(errno.EACCES, "Permission denied", str(out))).hint)


@pytest.mark.parametrize(
    ("given", "variable"),
    [
        ({}, "HF_HOME"),
        ({"HF_HOME": "/x"}, "HF_HOME"),
        ({"HF_HUB_CACHE": "/x", "HF_HOME": "/y"}, "HF_HUB_CACHE"),
        ({"HF_HOME": ""}, "HF_HOME"),
    ],
)
def test_the_variable_that_moves_it(
    given: dict[str, str], variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    fault = cache_fault(OSError(errno.EROFS, "Read-only", str(tmp_path / "x")))
    assert fault is not None
    assert str(fault.hint).startswith(f"set {variable} to a folder")
    assert ("set to nothing" in str(fault.hint)) == (given.get(variable) == "")


@pytest.mark.parametrize("asked", [(), ("--dry-run",)])
def test_a_cache_below_a_file(
    asked: tuple[str, ...], hub: HubServer, refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    cache = tmp_path / "file" / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setenv("HF_HOME", str(cache.parent))
    says = (f"cannot write the cache of the Hub at {cache}", "a file, not a folder", "set HF_HOME to a folder")
    refuse(refused, "pull", "alice/teacher", "--out", "out", *asked, says=says, code=2)


def test_data_that_cannot_be_kept(refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.chdir(tmp_path)
    write_parquet(Path("shapes.parquet"), 30)
    Path("file").write_text("no folder")
    cache = tmp_path / "file" / "datasets"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    monkeypatch.setenv("HF_HOME", str(cache.parent))
    monkeypatch.delenv("HF_DATASETS_CACHE", raising=False)
    Path("recipe.yaml").write_text(
        "kind: slice\nname: x\nteacher: {model: ./never-looked-at}\ndata: {path: ./shapes.parquet}\n"
    )
    says = (f"cannot write the cache of data sets at {cache}", "a file, not a folder", "set HF_HOME to a folder")
    refused("slice", "recipe.yaml", "--until", "data", "--out", "run", code=2, says=says)


def test_the_doctor_sees_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file" / "hub"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "file"))
    found = {finding.name: finding for finding in checks._disk()}
    assert (found["cache"].state, found["disk"].state == "fail") == ("fail", False)
    assert found["cache"].hint.startswith("set HF_HOME to a folder")


@pytest.mark.slow
def test_a_read_only_file_system(hub: HubServer, tmp_path: Path) -> None:
    """In a process with mounts of its own, where this machine allows that."""
    home, place = tmp_path / "home", tmp_path / "place"
    home.mkdir()
    place.mkdir()
    if subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "-o", "ro", "none", home], check=False).returncode:
        pytest.skip("no file system may be mounted here")
    environment = os.environ | hub.env(home, TOKEN) | {"PYTHONPATH": os.pathsep.join(sys.path)}
    environment.pop("HF_HUB_CACHE")
    command = ["unshare", "-rm", sys.executable, "-c", READ_ONLY, str(home)]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    told = " ".join(done.stderr.split())
    assert done.returncode == 2, told
    assert f"cannot write the cache of the Hub at {home}/hub" in told
    assert "the file system is read-only" in told
    assert f"set HF_HOME to a folder that this user may write; it is {home}" in told
