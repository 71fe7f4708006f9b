"""`push --delta` where a difference saves nothing: told before anything is sent, with the reason."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.numpy import load, save

from hubslice.artefacts.lock import LOCK, Lock
from tests.fake_hub import HubServer
from tests.faults.hub_setup import hub, impatient, never_seen, teacher
from tests.run.differing import fact
from tests.run.quick import quick_run
from tests.terminal.conftest import Hubslice

pytestmark = pytest.mark.slow

__all__ = ["hub", "impatient", "never_seen", "teacher"]


def run_of(place: Path, hub: HubServer, prefix: str) -> Path:
    """A copy of a finished run whose teacher is on the Hub, where names of tensors begin with `prefix`."""
    run, known = place / "run", place / "known"
    shutil.copytree(quick_run(), run)
    shutil.copytree(quick_run().parent / "teacher", known)
    tensors = load((known / "model.safetensors").read_bytes())
    (known / "model.safetensors").write_bytes(save({f"{prefix}{name}": each for name, each in tensors.items()}))
    commit = hub.seed("lab/known", known).oid
    lock = Lock.load(run / "student" / LOCK)
    pulled = lock.models["pull"].model_copy(
        update={"repo_id": "lab/known", "commit": commit, "files": (fact(known / "model.safetensors"),)}
    )
    (run / "student" / LOCK).unlink()  # a link
    lock.model_copy(update={"models": lock.models | {"pull": pulled}}).save(run / "student" / LOCK)
    return run


def test_a_difference_that_saves_nothing(tmp_path: Path, hub: HubServer, hubslice: Hubslice) -> None:
    run = run_of(tmp_path, hub, "base.")
    done = hubslice("push", str(run), "alice/student", "--delta", "--dry-run", "--json")
    assert done.code == 0, done.stderr
    plan = json.loads(done.stdout)
    (warning,) = [each for each in plan["warnings"] if "difference" in each]
    assert plan["delta"]["bytes"] > 0.9 * plan["delta"]["bytes_whole"]
    assert f"takes {plan['delta']['bytes'] / plan['delta']['bytes_whole']:.0%} of the size of the weights" in warning
    assert "weights: none of its " in warning
    assert "tensors has name, type and shape of one in the teacher's files, and what has not is kept" in warning
    assert "push the weights themselves: leave out --delta" in warning
    assert {"warning": warning} in [json.loads(line) for line in done.stderr.splitlines()]


def test_one_that_saves_something(tmp_path: Path, hub: HubServer, hubslice: Hubslice) -> None:
    run = run_of(tmp_path, hub, "")
    done = hubslice("push", str(run), "alice/student", "--delta", "--dry-run", "--json")
    assert done.code == 0, done.stderr
    assert not [each for each in json.loads(done.stdout)["warnings"] if "difference" in each]
