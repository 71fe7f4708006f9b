"""A Hub that the command line takes for the Hub, somebody who is logged in there, a teacher and a student."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from huggingface_hub import HfApi, close_session, constants

from hubslice.models.timm_adapter import TimmModel
from tests.fake_hub import HubServer, User
from tests.faults.conftest import Refused
from tests.faults.hub_faults import TOKEN
from tests.terminal.conftest import Finished, Hubslice

__all__ = ["hasty", "hub", "impatient", "never_seen", "student", "teacher"]

RECIPE = """\
kind: slice
name: tiny
teacher: {model: alice/teacher}
data: {path: ./images}
slice: {method: remos, ratio: 0.2}
"""
CARD = "---\nlicense: mit\n---\n# A student\n"
REPO = "alice/student"

WEIGHTS = ("GET", "/resolve/.*/model.safetensors$")
BATCH, UPLOAD = ("POST", "/objects/batch"), ("PUT", "/lfs-upload/")
BY_HTTP = (WEIGHTS, BATCH, UPLOAD)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("teacher")
    TimmModel.create("test_resnet", ("blue", "red"), seed=1).save(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, teacher: dict[str, bytes]) -> Iterator[HubServer]:
    """A Hub that the command line takes for the Hub, with a teacher and somebody who is logged in."""
    tokens = {TOKEN: User("alice"), "hf_reader": User("alice", role="read"), "hf_bob": User("bob")}
    with HubServer(tmp_path / "hub", tokens) as server:
        server.seed("alice/teacher", teacher)
        use(monkeypatch, server.url, tmp_path)
        yield server
    close_session()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause before the next try."""
    monkeypatch.setattr("hubslice.hub.session._PATIENCE", (0.0, 0.0))
    for module in ("file_download", "utils._http"):
        monkeypatch.setattr(f"huggingface_hub.{module}.time", SimpleNamespace(sleep=lambda _: None))
    close_session()


def by_http(path: tuple[str, str], hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Xet where it is the plain HTTP of large files that is in trouble; for Xet see test_xet_faults.py."""
    if path in BY_HTTP:
        hub.xet.offered = False
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second for an answer; a Hub that is `late` takes longer."""
    monkeypatch.setattr("hubslice.hub.session._ANSWER", 0.5)
    for name in ("HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT"):
        monkeypatch.setattr(constants, name, 0.5)


@pytest.fixture(autouse=True)
def never_seen(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """After every test: the token is in no log record and in no file."""
    caplog.set_level(logging.DEBUG)
    yield
    assert not leaks(caplog.text)
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or not leaks(path.read_bytes().decode("latin-1")), path


def leaks(text: str, token: str = TOKEN) -> bool:
    """Whether the token is in there, as it is or encoded."""
    turned = {token, quote(token), base64.b64encode(token.encode()).decode(), token.encode().hex()}
    turned |= {base64.b64encode(f"{user}:{token}".encode()).decode() for user in ("", "user", "alice")}
    return any(form in text for form in turned)


def use(monkeypatch: pytest.MonkeyPatch, url: str, home: Path, token: str = TOKEN) -> None:
    """Point the command line of this process at a Hub."""

    def api(endpoint: str | None = None, **options: Any) -> HfApi:
        return HfApi(endpoint=endpoint or url, **options)

    monkeypatch.setattr("hubslice.hub.client.HfApi", api)
    monkeypatch.setattr("huggingface_hub.HfApi", api)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hf"))
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setenv("HUBSLICE_CACHE", str(home / "cache"))
    monkeypatch.chdir(home)


def refuse(refused: Refused, *command: str, says: tuple[str, ...], code: int = 3) -> Finished:
    finished = refused(*command, code=code, says=says)
    assert "hint: " in finished.stderr
    assert not leaks(finished.stderr)
    return finished


def pulls(hubslice: Hubslice, teacher: dict[str, bytes]) -> None:
    """The teacher comes, whole, into a cache that may have seen trouble."""
    Path("recipe.yaml").write_text(RECIPE)
    finished = hubslice("slice", "recipe.yaml", "--until", "pull", "--out", "run", "--json")
    assert finished.code == 0, finished.stderr
    model = Path("run/steps/pull/model")
    assert {path.name: path.read_bytes() for path in model.iterdir()} == teacher
    assert not list(Path("hf").rglob("*.incomplete"))


@pytest.fixture
def student(tmp_path: Path) -> Path:
    folder = tmp_path / "student"
    (folder / "evidence").mkdir(parents=True)
    (folder / "evidence" / "rates.json").write_text("{}")
    TimmModel.create("test_resnet", ("blue", "red"), seed=2).save(folder)
    (folder / "README.md").write_text(CARD)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pushes(hubslice: Hubslice, hub: HubServer, student: Path) -> None:
    """The student goes, whole, in one commit."""
    finished = hubslice("push", "student", REPO, "--json")
    assert finished.code == 0, finished.stderr
    assert contents(student).items() <= hub.files(REPO).items()
    assert json.loads(finished.stdout)["commit"] == hub.commits(REPO)[0].oid
    assert not leaks(finished.stdout + finished.stderr)
