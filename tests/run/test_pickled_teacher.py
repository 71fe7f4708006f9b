"""A student of a teacher whose weights were a pickle: made with consent, pushed, and audited by whoever finds it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import close_session
from safetensors.torch import load_file

from hubslice.artefacts.lock import LOCK, Lock
from tests.fake_hub import HubServer, User
from tests.faults.hub_faults import TOKEN
from tests.faults.hub_setup import use
from tests.run.quick import QUICK
from tests.run.tiny import write_job
from tests.terminal.conftest import Hubslice, hubslice

pytestmark = pytest.mark.slow

__all__ = ["hubslice"]

TEACHER, STUDENT, PICKLE = "bob/old", "alice/student", "pytorch_model.bin"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer(tmp_path / "hub", {TOKEN: User("alice")}) as server:
        use(monkeypatch, server.url, tmp_path)
        yield server
    close_session()


def told(hubslice: Hubslice, *command: str) -> Any:
    done = hubslice(*command, "--json")
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)


def sources(found: Any) -> dict[str, str]:
    return next(finding for finding in found["findings"] if finding["part"] == "sources")


def test_a_student_of_a_pickled_teacher_is_audited(hub: HubServer, hubslice: Hubslice, tmp_path: Path) -> None:
    recipe = write_job(tmp_path / "job", QUICK.replace("./teacher", TEACHER))
    folder = recipe.parent / "teacher"
    held = load_file(folder / "model.safetensors")
    torch.save({"state_dict": held}, folder / PICKLE)
    (folder / "model.safetensors").unlink()
    commit = hub.seed(TEACHER, folder)
    told(hubslice, "slice", str(recipe), "--out", "run", "--allow-pickle")
    assert told(hubslice, "verify", "run", "--sample", "4")["verified"]
    told(hubslice, "push", "run", STUDENT)
    published = Lock.model_validate_json(hub.files(STUDENT)[LOCK])
    pickle = commit.tree[PICKLE]
    assert [(file.path, file.sha256) for file in published.models["pull"].pickles] == [(PICKLE, pickle.sha256)]
    assert not [name for name in hub.files(STUDENT) if name.endswith(".bin")]

    hub.log.clear()
    for options in ((), ("--full",)):
        shutil.rmtree(tmp_path / "hf")
        found = told(hubslice, "verify", STUDENT, "--sample", "4", *options)
        assert found["verified"]
        assert sources(found)["state"] == "agrees"
        assert f"2 files of {TEACHER}@{commit.oid[:12]} are the locked ones" in sources(found)["detail"]
        fetched = [line for line in hub.log if "/resolve/" in line and PICKLE in line]
        assert bool(fetched) == bool(options)

    again = ("slice", STUDENT, "data.path=./shapes.parquet", "--locked", "--until", "pull", "--out", "again")
    assert hubslice(*again).code == 2  # the consent is nobody's to publish
    told(hubslice, *again, "--allow-pickle")
    converted = load_file("again/steps/pull/model/model.safetensors")
    assert all(torch.equal(converted[name], tensor) for name, tensor in held.items())

    # The converted weights are nobody's promise: what they were converted from must be the locked file.
    text = hub.files(STUDENT)[LOCK].decode()
    hub.seed(STUDENT, {LOCK: text.replace(pickle.sha256, "0" * 64).encode()})
    done = hubslice("verify", STUDENT, "--sample", "4")
    assert done.code == 1
    assert f"sources, teacher: {PICKLE}: sha256 is {pickle.sha256}, locked {'0' * 64}" in " ".join(done.stderr.split())
    hub.seed(STUDENT, {LOCK: text.replace(PICKLE, "gone.bin").encode()})
    done = hubslice("verify", STUDENT, "--sample", "4")
    assert done.code == 1
    assert f"gone.bin is missing at {TEACHER}@" in " ".join(done.stderr.split())
