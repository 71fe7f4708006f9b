"""Answers of a Hub that have no end: every command tells the address, soon, and does not fill the memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import close_session

from tests.fake_hub import Fault, HubServer, on
from tests.fake_hub.unruly import MIB, Way, dripping, endless, silent, unruly
from tests.faults.conftest import Refused
from tests.faults.hub_setup import RECIPE, REPO, hasty, hub, impatient, never_seen, refuse, student, teacher, use
from tests.terminal.conftest import Hubslice

pytestmark = pytest.mark.slow

__all__ = ["hasty", "hub", "impatient", "never_seen", "student", "teacher"]

DATA = RECIPE.replace("./images", "alice/images").replace("alice/teacher", "./teacher")
COMMANDS = {
    ("pull", "alice/teacher"): "api/models/alice/teacher",
    ("push", "student", REPO): "api/models/alice/student",
    ("slice", "data.yaml", "--until", "data"): "api/datasets/alice/images",
}
LARGE, LATE = "answers with more than 2 MiB", "does not end within"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubslice.hub.answers.LARGEST", 2 * MIB)


def fresh(url: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    close_session()
    use(monkeypatch, url, home)
    Path("data.yaml").write_text(DATA)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("way", "says"),
    [(endless, LARGE), (dripping, LATE), (silent, "ReadTimeout")],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.usefixtures("hasty", "student")
def test_it_ends(
    way: Way,
    says: str,
    command: tuple[str, ...],
    tmp_path: Path,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with unruly(way) as server:
        fresh(server.url, tmp_path, monkeypatch)
        named = server.url if way is silent else f"{server.url}/{COMMANDS[command]}"
        refuse(refused, *command, says=(says, named, "HF_ENDPOINT"))
    assert server.sent < 32 * MIB
    close_session()


@pytest.mark.usefixtures("hasty")
def test_the_doctor_ends(tmp_path: Path, hubslice: Hubslice, monkeypatch: pytest.MonkeyPatch) -> None:
    with unruly(dripping) as server:
        fresh(server.url, tmp_path, monkeypatch)
        told = hubslice("doctor")
    assert f"{server.url}/api/whoami-v2 {LATE}" in told.stdout
    close_session()


@pytest.mark.parametrize("asked", ["/resolve/", "/tree/", "/paths-info/"])
@pytest.mark.usefixtures("hasty")
def test_data_of_a_hub_that_falls_silent(
    asked: str, hub: HubServer, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of the many requests of `datasets` would be tried again and again."""
    hub.seed("alice/images", {"data.csv": b"image,label\nx,y\n"}, kind="datasets")
    Path("data.yaml").write_text(DATA)
    fault = Fault(on("*", f"datasets/alice/images{asked}"), delay=1.5, times=None)
    hub.faults.append(fault)
    refuse(refused, "slice", "data.yaml", "--until", "data", says=("alice/images", "cannot be reached"))
    assert fault.hits <= 6
