"""A Hub in trouble while somebody pushes: it holds all of the student or nothing, and the message says which."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.fake_hub import Fault, HubServer, on
from tests.fake_hub.records import Commit
from tests.fake_hub.wire import Request
from tests.faults.conftest import Refused
from tests.faults.hub_faults import ALWAYS, PASSING, SOME, WRONG_ANSWERS, Trouble, rows
from tests.faults.hub_setup import (
    BATCH,
    REPO,
    UPLOAD,
    by_http,
    hasty,
    hub,
    impatient,
    never_seen,
    pushes,
    refuse,
    student,
    teacher,
)
from tests.terminal.conftest import Hubslice

pytestmark = pytest.mark.slow

__all__ = ["hasty", "hub", "impatient", "never_seen", "student", "teacher"]

COMMIT = "/api/models/alice/student/commit/main"
PARTS = {
    "info": ("GET", "^/api/models/alice/student"),
    "rights": ("GET", "/auth-check"),
    "card": ("POST", "/validate-yaml"),
    "preupload": ("POST", "/preupload/"),
    "batch": BATCH,
    "upload": UPLOAD,
    "commit": ("POST", COMMIT),
}
MADE = "was created and is empty so far"


def parts(*names: str) -> list[object]:
    return [pytest.param(PARTS[name], id=name) for name in names]


@pytest.fixture
def theirs(hub: HubServer) -> list[Commit]:
    """The commits of the repository before anything is pushed."""
    hub.seed(REPO, {"README.md": b"# Theirs\n"})
    return hub.commits(REPO)


@pytest.mark.parametrize(
    ("path", "trouble"),
    [
        pytest.param(path, trouble, id=f"{trouble.name}-{name}")
        for name, path in PARTS.items()
        for trouble in (ALWAYS if name == "info" else SOME)
        if (name, trouble.name) != ("commit", "lost")  # see below
    ],
)
def test_push_ends_clearly(
    path: tuple[str, str],
    trouble: Trouble,
    theirs: list[Commit],
    hub: HubServer,
    student: Path,
    refused: Refused,
    hubslice: Hubslice,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    by_http(path, hub, monkeypatch)
    trouble.lay(hub, path)
    refuse(refused, "push", "student", REPO, says=trouble.says)
    assert hub.commits(REPO) == theirs
    hub.faults.clear()
    pushes(hubslice, hub, student)
    assert len(hub.commits(REPO)) == len(theirs) + 1


@pytest.mark.parametrize("path", parts("info", "rights", "card", "preupload", "batch", "upload"))
@pytest.mark.parametrize("trouble", rows(PASSING[1::4]))
def test_push_gets_through(
    trouble: Trouble,
    path: tuple[str, str],
    theirs: list[Commit],
    hub: HubServer,
    student: Path,
    hubslice: Hubslice,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    by_http(path, hub, monkeypatch)
    trouble.lay(hub, path)
    pushes(hubslice, hub, student)
    assert any(fault.hits for fault in hub.faults)
    assert len(hub.commits(REPO)) == len(theirs) + 1


@pytest.mark.parametrize("path", parts("info", "card", "preupload", "batch"))
@pytest.mark.parametrize("trouble", rows(WRONG_ANSWERS[:6]))
def test_push_of_odd_answers(
    trouble: Trouble,
    path: tuple[str, str],
    theirs: list[Commit],
    hub: HubServer,
    student: Path,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    by_http(path, hub, monkeypatch)
    trouble.lay(hub, path)
    refuse(refused, "push", "student", REPO, says=trouble.says)
    assert hub.commits(REPO) == theirs


@pytest.mark.parametrize("trouble", rows(WRONG_ANSWERS))
def test_first_push_with_an_odd_login(trouble: Trouble, hub: HubServer, student: Path, refused: Refused) -> None:
    trouble.lay(hub, ("GET", "/whoami-v2"))
    refuse(refused, "push", "student", REPO, says=("cannot create alice/student", *trouble.says))


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (("GET", "/whoami"), ("cannot create alice/student",)),
        (("POST", "/repos/create"), ("cannot create", "may have been created, then it is empty so far")),
        (PARTS["preupload"], ("cannot push", MADE)),
        (PARTS["upload"], ("cannot push", MADE)),
        (PARTS["commit"], ("cannot push", MADE)),
    ],
)
def test_a_first_push(
    path: tuple[str, str],
    says: tuple[str, ...],
    hub: HubServer,
    student: Path,
    refused: Refused,
    hubslice: Hubslice,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    by_http(path, hub, monkeypatch)
    hub.faults.append(Fault(on(*path), status=500, times=None))
    refuse(refused, "push", "student", REPO, says=(*says, "HTTP 500"))
    there = hub.store.find("models", REPO) is not None
    assert there == (MADE in says)
    assert not there or set(hub.files(REPO)) == {".gitattributes"}
    hub.faults.clear()
    pushes(hubslice, hub, student)


def test_a_creation_without_an_answer(hub: HubServer, student: Path, refused: Refused, hubslice: Hubslice) -> None:
    hub.faults.append(Fault(on("POST", "/repos/create"), lost=True))
    refuse(refused, "push", "student", REPO, says=("cannot create", "may have been created, then it is empty so far"))
    assert set(hub.files(REPO)) == {".gitattributes"}
    pushes(hubslice, hub, student)


@pytest.mark.parametrize(
    "answer",
    [
        {"lost": True},
        {"cut_after": 10},
        *({"body": body} for body in (b"", b"<html>", b"[]", b"{}", b'{"commitOid": 3, "commitUrl": "x"}')),
    ],
    ids=str,
)
def test_a_commit_without_a_good_answer(
    answer: dict[str, object], theirs: list[Commit], hub: HubServer, student: Path, hubslice: Hubslice
) -> None:
    hub.faults.append(Fault(on(*PARTS["commit"]), **answer))  # type: ignore[arg-type]
    pushes(hubslice, hub, student)
    assert len(hub.commits(REPO)) == len(theirs) + 1


@pytest.mark.parametrize("done", [False, True])
def test_a_commit_is_sent_again(
    done: bool, theirs: list[Commit], hub: HubServer, student: Path, hubslice: Hubslice
) -> None:
    fault = Fault(on(*PARTS["commit"]), status=503, done=done)
    hub.faults.append(fault)
    pushes(hubslice, hub, student)
    assert len(hub.commits(REPO)) == len(theirs) + 1
    assert sum("/commit/" in line for line in hub.log) == (1 if done else 2)


def test_a_commit_that_landed_unseen_is_known_again(
    theirs: list[Commit], hub: HubServer, student: Path, hubslice: Hubslice
) -> None:
    """Sent again it meets its own parent check."""
    hub.faults.append(Fault(on(*PARTS["commit"]), status=503, done=True))
    hub.faults.append(Fault(lambda _: any("/commit/" in line for line in hub.log), status=403))
    pushes(hubslice, hub, student)
    assert len(hub.commits(REPO)) == len(theirs) + 1
    assert sum("/commit/" in line for line in hub.log) == 2


def test_a_commit_after_that_of_somebody_else_is_not_theirs(
    theirs: list[Commit], hub: HubServer, student: Path, refused: Refused
) -> None:
    def seeded(request: Request) -> bool:
        if on(*PARTS["commit"])(request) and len(hub.commits(REPO)) == len(theirs):
            hub.seed(REPO, {"other.txt": b"between"})
            return True
        return False

    hub.faults.append(Fault(seeded, status=503))
    refuse(refused, "push", "student", REPO, says=("somebody pushed to alice/student in between",))
    assert len(hub.commits(REPO)) == len(theirs) + 1


@pytest.mark.usefixtures("hasty")
def test_a_commit_that_comes_late(
    theirs: list[Commit], hub: HubServer, student: Path, refused: Refused, hubslice: Hubslice
) -> None:
    hub.faults.append(Fault(on(*PARTS["commit"]), delay=1.0))
    says = ("cannot be reached", "the commit may still be made", f"{hub.url}/{REPO}/commits")
    refuse(refused, "push", "student", REPO, says=says)
    end = time.monotonic() + 60
    while len(hub.commits(REPO)) == len(theirs) and time.monotonic() < end:
        time.sleep(0.05)
    made = hub.commits(REPO)
    assert len(made) == len(theirs) + 1
    pushes(hubslice, hub, student)
    assert hub.commits(REPO) == made


def test_nobody_knows_whether_the_commit_was_made(
    theirs: list[Commit], hub: HubServer, student: Path, refused: Refused
) -> None:
    hub.faults.append(Fault(on(*PARTS["commit"]), lost=True))
    hub.faults.append(Fault(lambda _: any("/commit/" in line for line in hub.log), status=503, times=None))
    refuse(refused, "push", "student", REPO, says=("the commit may still be made", f"{hub.url}/{REPO}/commits"))


@pytest.mark.parametrize(
    ("token", "repo", "says"),
    [
        ("hf_reader", REPO, ("this token may not do that to alice/student", "a token that may write")),
        ("hf_reader", "alice/new", ("the token of this login may only read", "hf auth login")),
        ("hf_bob", REPO, ("this token may not do that to alice/student", "--create-pr")),
        ("hf_bob", "alice/new", ("does not own the namespace alice", "push to bob/new")),
        ("hf_nobody", REPO, ("the Hub does not know this token", "hf auth login")),
        ("", REPO, ("nobody is logged in", "hf auth login")),
    ],
)
def test_who_may_not_push(
    token: str,
    repo: str,
    says: tuple[str, ...],
    theirs: list[Commit],
    hub: HubServer,
    student: Path,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    refuse(refused, "push", "student", repo, says=says)
    assert hub.commits(REPO) == theirs


def test_somebody_pushed_in_between(
    theirs: list[Commit], hub: HubServer, student: Path, refused: Refused, hubslice: Hubslice
) -> None:
    def push_first(request: Request) -> bool:
        if "/preupload/" in request.path and len(hub.commits(REPO)) == len(theirs):
            hub.seed(REPO, {"new.txt": b"x"})
        return False

    hub.faults.append(Fault(push_first))
    refuse(refused, "push", "student", REPO, says=("somebody pushed to alice/student in between", "run again"))
    assert set(hub.files(REPO)) == {"README.md", ".gitattributes", "new.txt"}
    pushes(hubslice, hub, student)


def test_a_gitignore_on_the_hub_hides_nothing(hub: HubServer, student: Path, hubslice: Hubslice) -> None:
    hub.seed(REPO, {".gitignore": b"evidence/\n*.safetensors\n"})
    pushes(hubslice, hub, student)
