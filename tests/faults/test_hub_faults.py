"""A Hub in trouble, no way to it, or something else in its place: what pulling makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fake_hub import Fault, HubServer, on
from tests.faults.conftest import Refused
from tests.faults.hub_faults import (
    ALWAYS,
    NOT_A_HUB,
    PASSING,
    SOME,
    TOKEN,
    UNREACHABLE,
    WRONG_ANSWERS,
    Trouble,
    listings,
    rows,
)
from tests.faults.hub_setup import (
    RECIPE,
    REPO,
    WEIGHTS,
    by_http,
    hasty,
    hub,
    impatient,
    never_seen,
    pulls,
    refuse,
    student,
    teacher,
    use,
)
from tests.terminal.conftest import Hubslice

pytestmark = pytest.mark.slow

__all__ = ["hasty", "hub", "impatient", "never_seen", "student", "teacher"]

INFO = ("GET", "^/api/models/alice/teacher")
HEAD = ("HEAD", "/resolve/.*/model.safetensors$")
ANOTHER = b"another file"


@pytest.mark.parametrize(
    ("path", "trouble"),
    [
        *(pytest.param(INFO, trouble, id=f"{trouble.name}-listing") for trouble in ALWAYS),
        *(pytest.param(HEAD, trouble, id=f"{trouble.name}-head") for trouble in SOME),
        *(pytest.param(WEIGHTS, trouble, id=f"{trouble.name}-file") for trouble in SOME),
    ],
)
def test_pull_ends_clearly(
    path: tuple[str, str],
    trouble: Trouble,
    hub: HubServer,
    refused: Refused,
    hubslice: Hubslice,
    teacher: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    by_http(path, hub, monkeypatch)
    trouble.lay(hub, path)
    refuse(refused, "pull", "alice/teacher", says=("cannot fetch", "alice/teacher", *trouble.says))
    assert not list(Path("cache").rglob("*.safetensors"))
    hub.faults.clear()
    pulls(hubslice, teacher)


@pytest.mark.parametrize("path", [INFO, HEAD, WEIGHTS], ids=["listing", "head", "file"])
@pytest.mark.parametrize("trouble", rows(PASSING))
def test_pull_gets_through(
    trouble: Trouble,
    path: tuple[str, str],
    hub: HubServer,
    hubslice: Hubslice,
    teacher: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    by_http(path, hub, monkeypatch)
    trouble.lay(hub, path)
    pulls(hubslice, teacher)
    assert any(fault.hits for fault in hub.faults)


@pytest.mark.parametrize("trouble", rows((*WRONG_ANSWERS, *listings("0" * 40))))
def test_pull_of_an_odd_listing(
    trouble: Trouble, hub: HubServer, refused: Refused, hubslice: Hubslice, teacher: dict[str, bytes]
) -> None:
    trouble.lay(hub, INFO)
    refuse(refused, "pull", "alice/teacher", says=("cannot fetch alice/teacher", *trouble.says))
    assert not list(Path("hf").rglob("*"))
    hub.faults.clear()
    pulls(hubslice, teacher)


@pytest.mark.parametrize(
    "path", [("GET", "/api/models/alice/student"), ("*", "/recipe.yaml$")], ids=["listing", "file"]
)
@pytest.mark.parametrize("trouble", rows(SOME))
def test_a_published_recipe(trouble: Trouble, path: tuple[str, str], hub: HubServer, refused: Refused) -> None:
    hub.seed(REPO, {"recipe.yaml": RECIPE.encode()})
    trouble.lay(hub, path)
    refuse(refused, "slice", REPO, says=("cannot fetch", REPO, *trouble.says))
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"status": 503}, ("out of order (HTTP 503", "run again later")),
        ({"status": 429, "retry_after": 3600}, ("too many requests", "run again in 3600 seconds")),
        ({"lost": True}, ("RemoteProtocolError", "cannot be reached", "check the connection and HF_ENDPOINT")),
        ({"body": b"<html>"}, ("Expecting value", *NOT_A_HUB)),
        ({"body": b"[]"}, ("must be a mapping", *NOT_A_HUB)),
    ],
    ids=["503", "429", "lost", "html", "list"],
)
def test_data_of_the_hub(fault: dict[str, object], says: tuple[str, ...], hub: HubServer, refused: Refused) -> None:
    hub.seed("alice/images", {"data.csv": b"x"}, kind="datasets")
    Path("recipe.yaml").write_text(RECIPE.replace("./images", "alice/images"))
    hub.faults.append(Fault(on("GET", "/api/datasets/"), times=None, **fault))  # type: ignore[arg-type]
    refuse(refused, "slice", "recipe.yaml", "--until", "data", says=("fetch the data set alice/images", *says))


FALSE = ("it came wrong twice", "run it again later", "hf cache rm hf://models/alice/teacher/")
ELSEWHERE = ("lists config.json of", "run it again; if it stays, a proxy or the Hub mixes up files")
SMALL = ("*", "config.json$")
WRONG_FILES = (
    (WEIGHTS, Trouble("bytes", ("is not the file that the Hub promised", "sha256", *FALSE), {"body": ANOTHER})),
    (WEIGHTS, Trouble("short", ("fewer or more bytes came", "run it again"), {"body": b"{}"})),
    (WEIGHTS, Trouble("cut", UNREACHABLE, {"cut_after": 0})),
    (SMALL, Trouble("git-bytes", ("is not the file that the Hub promised", "git id", *FALSE), {"body": ANOTHER})),
    (SMALL, Trouble("etag", ("as the file 000", *ELSEWHERE), {"headers": {"ETag": "0" * 40}})),
    (SMALL, Trouble("etag-out", ("the ETag", "is not one", "../evil"), {"headers": {"ETag": '"../evil"'}})),
    (SMALL, Trouble("empty-etag", ("the ETag", "is not one", "do not trust"), {"headers": {"ETag": ""}})),
    (SMALL, Trouble("no-etag", NOT_A_HUB, {"headers": {"ETag": None}})),
    (SMALL, Trouble("commit", ELSEWHERE, {"headers": {"X-Repo-Commit": "1" * 40}})),
    (SMALL, Trouble("commit-out", ("X-Repo-Commit", "is not one"), {"headers": {"X-Repo-Commit": "../../evil"}})),
    (SMALL, Trouble("no-commit", NOT_A_HUB, {"headers": {"X-Repo-Commit": None}})),
    (HEAD, Trouble("gone", ("not found", "see what"), {"status": 404})),
)


@pytest.mark.parametrize("path", [INFO, HEAD, WEIGHTS], ids=["listing", "head", "file"])
@pytest.mark.usefixtures("hasty")
def test_pull_from_a_hub_that_is_late(
    path: tuple[str, str], hub: HubServer, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_http(path, hub, monkeypatch)
    hub.faults.append(Fault(on(*path), delay=0.8, times=None))
    refuse(refused, "pull", "alice/teacher", says=("cannot fetch", "ReadTimeout", *UNREACHABLE))
    assert not list(Path("cache").rglob("*.safetensors"))


@pytest.mark.parametrize(("path", "trouble"), [pytest.param(*each, id=each[1].name) for each in WRONG_FILES])
def test_pull_of_wrong_files(
    trouble: Trouble,
    path: tuple[str, str],
    hub: HubServer,
    refused: Refused,
    hubslice: Hubslice,
    teacher: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    by_http(path, hub, monkeypatch)
    trouble.lay(hub, path)
    for fault in hub.faults:
        if fault.body == ANOTHER:  # of the right length
            fault.body = bytes(len(teacher["config.json" if path == SMALL else "model.safetensors"]))
    refuse(refused, "pull", "alice/teacher", says=trouble.says)
    assert not list(Path("cache").rglob("*.safetensors"))  # of hubslice
    assert not list(Path.cwd().rglob("*evil*"))
    hub.faults.clear()
    pulls(hubslice, teacher)


@pytest.mark.parametrize(
    ("model", "token", "says"),
    [
        ("alice/teacher", "hf_" + "Unknown" * 4, ("the Hub does not know this token", "hf auth login")),
        ("alice/none", TOKEN, ("there is no repository alice/none that this login may see", "check the spelling")),
        ("alice/secret", "hf_bob", ("there is no repository alice/secret", "check the spelling")),
        ("alice/teacher@v9", TOKEN, ("alice/teacher has no revision 'v9'", "it has main")),
        ("alice/gated", "hf_bob", ("alice/gated is gated", "accept the conditions")),
    ],
)
def test_pull_of_what_is_not_given(
    model: str, token: str, says: tuple[str, ...], hub: HubServer, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.seed("alice/gated", {"config.json": b"{}", "model.safetensors": b"x"})
    hub.seed("alice/secret", {"config.json": b"{}"}, private=True)
    with hub.store.edit("models", "alice/gated") as repo:
        repo.gated = "manual"
    monkeypatch.setenv("HF_TOKEN", token)
    finished = refuse(refused, "pull", model, says=("cannot fetch", model.partition("@")[0], *says))
    assert token not in finished.stderr


def test_a_token_does_not_follow_a_redirect(
    hub: HubServer, tmp_path: Path, hubslice: Hubslice, teacher: dict[str, bytes]
) -> None:
    with HubServer(tmp_path / "elsewhere") as elsewhere:
        elsewhere.seed("alice/teacher", teacher)
        seen: list[str | None] = []
        elsewhere.faults.append(Fault(lambda request: seen.append(request.headers.get("Authorization")) is not None))
        commit = hub.commits("alice/teacher")[0]
        away = f"{elsewhere.url}/alice/teacher/resolve/main/model.safetensors"
        file = {"X-Repo-Commit": commit.oid, "X-Linked-ETag": commit.tree["model.safetensors"].sha256}
        hub.faults.append(Fault(on(*WEIGHTS), redirect=away, times=None))
        hub.faults.append(Fault(on(*HEAD), redirect=away, headers=file, times=None))
        pulls(hubslice, teacher)
    assert len(seen) > 0
    assert set(seen) == {None}


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://no-such-host.invalid", "http://[100::1]:80"])
@pytest.mark.parametrize("command", [("pull", "alice/teacher"), ("slice", "alice/student"), ("push", "student", REPO)])
def test_no_way_to_the_hub(
    url: str, command: tuple[str, ...], student: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(monkeypatch, url, tmp_path)
    monkeypatch.setattr("hubslice.hub.session._CONNECT", 0.2)
    refuse(refused, *command, says=(f"the Hub at {url} cannot be reached", "check the connection and HF_ENDPOINT"))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"https://user:{TOKEN}@hub.example", ("holds a login (https://***@hub.example)", "HF_TOKEN")),
        (f"https://{TOKEN}@hub.example", ("the address of the Hub holds a login", "HF_TOKEN")),
        ("hub.example", ("'hub.example' is not the address of a Hub", "set HF_ENDPOINT")),
    ],
    ids=["login", "token", "no-scheme"],
)  # fmt: skip
@pytest.mark.parametrize("command", [("pull", "alice/teacher"), ("push", "student", REPO)])
def test_odd_addresses(
    url: str,
    says: tuple[str, ...],
    command: tuple[str, ...],
    student: Path,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    use(monkeypatch, url, tmp_path)
    refuse(refused, *command, says=says, code=2)
