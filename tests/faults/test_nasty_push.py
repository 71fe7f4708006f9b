"""A student whose classes have names that strangers chose, pushed: the plan, the commit, and the card on the Hub."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.fake_hub import HubServer
from tests.faults.hub_setup import REPO, hub, impatient, never_seen, teacher
from tests.faults.nasty import raw
from tests.faults.nasty_place import LABELS, nasty_run
from tests.faults.rendered import check_card, shown
from tests.terminal.conftest import Hubslice

pytestmark = pytest.mark.slow

__all__ = ["hub", "impatient", "never_seen", "teacher"]


@pytest.fixture
def student(tmp_path: Path) -> Path:
    """The student's folder by itself, as whoever has it from elsewhere pushes it."""
    return shutil.copytree(nasty_run() / "student", tmp_path / "student")


def test_pushing(hub: HubServer, student: Path, hubslice: Hubslice) -> None:
    hub.seed(REPO, {"old\u202e[bold].bin": b"x"})
    for options in (("--dry-run",), ("--dry-run", "--json"), (), ("--quiet",), ("--create-pr",)):
        finished = hubslice("push", str(student), REPO, *options)
        assert raw(finished.stdout + finished.stderr) == []
        assert finished.code == 0, finished.stderr
    for commit in hub.commits(REPO):
        assert raw(commit.title) == []
        assert "\n" not in commit.title
    card = hub.files(REPO)["README.md"].decode()
    page = check_card(card)
    assert {shown(label) for label in LABELS} <= {cell.strip() for cell in page.cells}
    for options in ((), ("--json",)):
        checked = hubslice("verify", REPO, *options)
        assert raw(checked.stdout + checked.stderr) == []
