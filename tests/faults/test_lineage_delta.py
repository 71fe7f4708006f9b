"""Differences to a teacher, broken or without it: told with the cause; among other models they are left out."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from safetensors.numpy import save

from hubslice.artefacts.delta import write_delta
from hubslice.artefacts.model import FileFact
from hubslice.files.sealed import read_sealed, write_sealed
from hubslice.hub.client import Client
from hubslice.hub.restore import teacher_tensors
from tests.ancestry.small import tuned, weights
from tests.fake_hub import Fault, HubServer
from tests.faults.conftest import Refused
from tests.faults.lineage_setup import bend, hub, made
from tests.terminal.conftest import Hubslice

__all__ = ["hub", "made"]


def test_a_broken_difference_among_candidates(student: Path, hubslice: Hubslice) -> None:
    """And so is a file that is no difference at all; what is mistyped here ends the command before any work."""
    bend(student / "delta.safetensors")
    shutil.copytree(student, "other")
    Path("other/delta.safetensors").write_bytes(b"nothing of the kind")
    done = hubslice("lineage", "child", "--candidates", "./student", "other", "lab/parent", "--json")
    assert done.code == 0
    assert "./student was left out" in done.stderr
    assert "other was left out" in done.stderr
    told = json.loads(done.stdout)
    assert [each["candidate"] for each in told["candidates"]] == ["lab/parent"]
    assert "its content is not that of its checksum" in told["skipped"]["./student"]


@pytest.fixture
def student(place: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with a difference to lab/parent, and a Hub that all commands ask."""
    monkeypatch.setenv("HUBSLICE_CACHE", str(tmp_path / "made"))
    client = Client(endpoint=hub.url, cache_dir=tmp_path / "cache")
    monkeypatch.setattr("hubslice.hub.default.connect", lambda: client)
    teacher = place / "parent"
    pinned = (_fact(teacher / "model.safetensors"),)
    content = save(tuned(weights(0), 1, classes=10))
    folder = place / "student"
    folder.mkdir()
    (folder / "config.json").write_text('{"architecture": "hubslice_vgg"}')
    whole = FileFact(path="model.safetensors", size=len(content), sha256=hashlib.sha256(content).hexdigest())
    commit = hub.commits("lab/parent")[0].oid
    get = teacher_tensors(teacher, pinned)
    write_delta(folder / "delta.safetensors", content, whole, get, model="lab/parent", commit=commit, files=pinned)
    return folder


def _fact(path: Path) -> FileFact:
    data = path.read_bytes()
    return FileFact(path=path.name, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def test_a_difference_is_a_model_like_any_other(student: Path, hubslice: Hubslice) -> None:
    done = hubslice("lineage", "./student", "--candidates", "lab/parent", "--quiet")
    assert (done.code, done.stdout) == (0, "lab/parent\n"), done.stderr


def test_a_corrupt_difference(student: Path, refused: Refused, tmp_path: Path) -> None:
    bend(student / "delta.safetensors")
    says = (
        "delta.safetensors cannot be read as a delta: its content is not that of its checksum",
        "fetch the file again",
    )
    refused("lineage", "./student", "--candidates", "lab/parent", code=2, says=says)
    refused("pull", "./student", "--out", "pulled", code=2, says=says)
    assert not list((tmp_path / "made").rglob("*.safetensors"))


def test_a_well_sealed_difference_of_what_cannot_be_decompressed(
    student: Path, refused: Refused, tmp_path: Path
) -> None:
    about, streams = read_sealed(student / "delta.safetensors", "delta", lambda about, streams: (about, streams))
    bent = {name: stream.copy() for name, stream in streams.items()}
    part = next(name for name, stream in bent.items() if name != "header" and stream[0] == 1)
    bent[part][3:] ^= 255
    write_sealed(student / "delta.safetensors", "delta", about, bent)
    says = ("delta.safetensors cannot be put together: ", "a part cannot be decompressed", "fetch the file again")
    refused("lineage", "./student", "--candidates", "lab/parent", code=2, says=says)
    refused("pull", "./student", "--out", "pulled", code=2, says=says)
    assert not list((tmp_path / "made").rglob("*.safetensors"))


def test_a_difference_whose_teacher_changed(student: Path, hub: HubServer, refused: Refused, tmp_path: Path) -> None:
    """The commit that is pinned now gives other weights: refused by checksum, whatever the Hub says."""
    about, streams = read_sealed(student / "delta.safetensors", "delta", lambda about, streams: (about, streams))
    about["facts"]["files"][0]["sha256"] = "0" * 64
    write_sealed(student / "delta.safetensors", "delta", about, streams)
    says = (
        "the teacher lab/parent@",
        "has changed: model.safetensors now has sha256",
        "ask the publisher for the weights themselves",
    )
    refused("pull", "./student", "--out", "pulled", code=3, says=says)
    assert not list((tmp_path / "made").rglob("*.safetensors"))


def test_a_difference_whose_teacher_is_gone(student: Path, hub: HubServer, refused: Refused) -> None:
    hub.faults.append(Fault(lambda request: "lab/parent" in request.path, status=404, times=None))
    says = ("the model is a difference to its teacher lab/parent@", "without that there are no weights")
    refused("pull", "./student", "--out", "pulled", code=3, says=says)


def test_only_a_run_is_pushed_as_a_difference(place: Path, refused: Refused) -> None:
    says = ("parent is not a run; only a run knows which teacher", "leave out --delta, or name a run folder")
    refused("push", "parent", "alice/student", "--delta", code=2, says=says)
