"""A student whose files were changed since it was measured: nothing of it is published, and the message names them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hubslice.artefacts.lock import LOCK, Lock
from tests.fake_hub import HubServer
from tests.faults.conftest import Refused
from tests.faults.hub_setup import REPO, hub, impatient, never_seen, teacher
from tests.faults.test_delta_push import run_of
from tests.run.differing import student_as_delta
from tests.run.quick import quick_run
from tests.terminal.conftest import Hubslice

pytestmark = pytest.mark.slow

__all__ = ["hub", "impatient", "never_seen", "teacher"]

WEIGHTS, EVIDENCE, PLOT = "model.safetensors", "evidence/accuracy.safetensors", "plots/retention.png"
CHANGED = "sha256 is"


def flip(path: Path) -> None:
    """One bit, in the last byte."""
    content = path.read_bytes()
    replace(path, content[:-1] + bytes([content[-1] ^ 1]))


def truncate(path: Path) -> None:
    replace(path, path.read_bytes()[:-100])


def replace(path: Path, content: bytes) -> None:
    path.unlink()  # else the same file elsewhere would change too: it is a link
    path.write_bytes(content)


def other_seed(path: Path) -> None:
    replace(path, path.read_bytes().replace(b'"seed": 0', b'"seed":  0'))


FAULTS: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "a bit of the weights": (WEIGHTS, flip, CHANGED),
    "evidence": (EVIDENCE, flip, CHANGED),
    "a truncated plot": (PLOT, truncate, CHANGED),
    "the report": ("report.json", flip, CHANGED),
    "a missing plot": (PLOT, Path.unlink, "the lock lists it, and it is missing"),
    "a truncated lock": (LOCK, truncate, "not a Lock"),
    "another lock": (LOCK, other_seed, "is not as hubslice writes it"),
    "no lock": (LOCK, Path.unlink, "is missing, and whatever made report.json writes one"),
}


@pytest.fixture(params=FAULTS)
def fault(request: pytest.FixtureRequest) -> tuple[str, Callable[[Path], None], str]:
    return FAULTS[request.param]


@pytest.mark.parametrize("options", [(), ("--dry-run",), ("--delta",), ("--delta", "--dry-run")], ids=" ".join)
def test_it_is_not_pushed(
    fault: tuple[str, Callable[[Path], None], str],
    options: tuple[str, ...],
    tmp_path: Path,
    hub: HubServer,
    refused: Refused,
) -> None:
    name, change, says = fault
    run = run_of(tmp_path, hub, "")
    change(run / "student" / name)
    told = ("is not the student that was measured, so it is not published", name, says, "hubslice slice RUN")
    refused("push", str(run), REPO, *options, code=1, says=told)
    assert hub.store.find("models", REPO) is None
    assert not (run / "student-delta").exists()


def test_nor_is_a_folder_of_it(
    fault: tuple[str, Callable[[Path], None], str], tmp_path: Path, hub: HubServer, refused: Refused
) -> None:
    name, change, says = fault
    folder = shutil.copytree(quick_run() / "student", tmp_path / "copy")
    change(folder / name)
    refused("push", str(folder), REPO, code=1, says=(name, says, "take hubslice.lock, report.json and evidence/ out"))
    assert hub.store.find("models", REPO) is None


def test_what_people_change_is_pushed(tmp_path: Path, hub: HubServer, hubslice: Hubslice) -> None:
    folder = shutil.copytree(quick_run() / "student", tmp_path / "copy")
    card = folder / "README.md"
    card.write_text(card.read_text() + "\n## A note\nMind the gap.\n")
    (folder / "NOTES.txt").write_text("mine")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "notes.cpython-311.pyc").write_bytes(b"")
    assert hubslice("verify", str(folder)).code == 0
    done = hubslice("push", str(folder), REPO)
    assert done.code == 0, done.stderr
    assert "published though hubslice.lock does not list it: NOTES.txt" in done.stderr
    assert "pycache" not in done.stderr + str(hub.files(REPO).keys())
    held = hub.files(REPO)
    assert held["README.md"].decode().endswith("Mind the gap.\n")
    assert held["NOTES.txt"] == b"mine"


ADDED = ("evil.py", "adapter_config.json", "model.fp16.safetensors", "custom/generate.py")


@pytest.mark.parametrize("name", ADDED)
@pytest.mark.parametrize("kind", ["run", "folder"])
def test_what_loaders_would_run_is_not_added(
    kind: str, name: str, tmp_path: Path, hub: HubServer, hubslice: Hubslice, refused: Refused
) -> None:
    run = run_of(tmp_path, hub, "") if kind == "run" else tmp_path
    student = run / "student" if kind == "run" else shutil.copytree(quick_run() / "student", tmp_path / "copy")
    added = student / name
    added.parent.mkdir(exist_ok=True)
    if added.suffix == ".safetensors":
        shutil.copyfile(student / WEIGHTS, added)
    else:
        added.write_text("{}")
    target = str(run if kind == "run" else student)
    says = f"{name}: the lock does not list it, and loaders read or run such files"
    refused("push", target, REPO, code=1, says=("holds more than the student", says, "take what the lock does not"))
    assert hub.store.find("models", REPO) is None
    assert hubslice("verify", target).code == 1


def test_a_difference_counts_as_the_weights_that_it_makes(
    tmp_path: Path, hub: HubServer, hubslice: Hubslice, refused: Refused
) -> None:
    folder = student_as_delta(hub, tmp_path / "difference")
    lock = Lock.load(folder / LOCK)
    facts = {file.path: file for file in lock.files}
    facts[WEIGHTS] = facts[WEIGHTS].model_copy(update={"sha256": "0" * 64})
    lock.model_copy(update={"files": tuple(facts.values())}).save(folder / LOCK)
    refused("push", str(folder), REPO, code=1, says=(f"{WEIGHTS}: sha256 is", "the lock says 000"))
    lock.save(folder / LOCK)
    done = hubslice("push", str(folder), REPO)
    assert done.code == 0, done.stderr
