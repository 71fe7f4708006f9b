"""Proxies of the environment: each is used where it is meant, and one that cannot be used is called by its variable."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from huggingface_hub import close_session, get_session, set_client_factory
from huggingface_hub.utils import httpx

from hubslice.core.errors import FetchError
from hubslice.hub import session
from hubslice.hub.proxies import Proxy, ProxyUnusable, proxy_of
from hubslice.hub.pull import fetch
from hubslice.hub.ref import parse_ref
from tests.fake_hub import HubServer
from tests.hub.conftest import MakeClient, model

FAR = "http://hub.example"
SOCKS = "socks5://user:secret@127.0.0.1:1"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    close_session()
    yield
    close_session()


@pytest.mark.parametrize(
    ("given", "url", "expected"),
    [
        ({}, FAR, None),
        ({"HTTP_PROXY": "http://a:1"}, FAR, ("HTTP_PROXY", "http://a:1")),
        ({"http_proxy": "http://a:1"}, FAR, ("http_proxy", "http://a:1")),
        ({"http_proxy": "http://a:1", "HTTP_PROXY": "http://b:1"}, FAR, ("http_proxy", "http://a:1")),
        ({"HTTP_PROXY": "http://a:1"}, "https://hub.example", None),
        ({"HTTPS_PROXY": "a:1", "ALL_PROXY": SOCKS}, "https://hub.example", ("HTTPS_PROXY", "a:1")),
        ({"HTTPS_PROXY": "a:1", "ALL_PROXY": SOCKS}, FAR, ("ALL_PROXY", SOCKS)),
        ({"all_proxy": SOCKS}, FAR, ("all_proxy", SOCKS)),
        ({"ALL_PROXY": SOCKS, "NO_PROXY": "127.0.0.1,hub.example"}, FAR, None),
        ({"ALL_PROXY": SOCKS, "no_proxy": ".example"}, FAR, None),
        ({"ALL_PROXY": SOCKS, "NO_PROXY": "*"}, FAR, None),
        ({"ALL_PROXY": SOCKS, "NO_PROXY": "127.0.0.1"}, FAR, ("ALL_PROXY", SOCKS)),
        ({"ALL_PROXY": SOCKS, "NO_PROXY": "127.0.0.1:80"}, "http://127.0.0.1:80/x", None),
        ({"ALL_PROXY": SOCKS, "NO_PROXY": "127.0.0.1:80"}, "http://127.0.0.1:81/x", ("ALL_PROXY", SOCKS)),
    ],
)
def test_which_proxy(
    given: dict[str, str], url: str, expected: tuple[str, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert proxy_of(url) == expected


UNUSABLE = [
    ("ALL_PROXY", SOCKS, ("the proxy of ALL_PROXY (socks5://127.0.0.1:1) is a SOCKS", "socksio"), "[socks]"),
    ("all_proxy", "socks5h://127.0.0.1:1", ("the proxy of all_proxy", "package socksio"), "pip install"),
    ("HTTP_PROXY", SOCKS, ("the proxy of HTTP_PROXY", "package socksio"), "unset HTTP_PROXY"),
    ("ALL_PROXY", "socks://127.0.0.1:1", ("the proxy of ALL_PROXY", "of the kind socks://"), "write socks5://"),
    ("ALL_PROXY", "socks4://127.0.0.1:1", ("of the kind socks4://",), "write socks5://"),
    ("http_proxy", "http://:badport", ("the proxy of http_proxy (http://:badport) cannot be used",), "mend http_proxy"),
    ("HTTP_PROXY", "ftp://a:1", ("the proxy of HTTP_PROXY (ftp://a:1) cannot be used",), "mend HTTP_PROXY"),
]  # fmt: skip


@pytest.mark.parametrize(("variable", "value", "says", "hint"), UNUSABLE)
def test_a_proxy_that_cannot_be_used(
    variable: str,
    value: str,
    says: tuple[str, ...],
    hint: str,
    hub: HubServer,
    client_of: MakeClient,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    if "socks5" in value:
        monkeypatch.setitem(sys.modules, "socksio", None)  # whether or not it is installed here
    hub.seed("alice/teacher", model())
    monkeypatch.setenv(variable, value)
    client = client_of()
    with pytest.raises(FetchError) as caught:
        fetch(parse_ref("alice/teacher", tmp_path), client=client)
    assert all(each in caught.value.message for each in says)
    assert hint in str(caught.value.hint)
    assert "secret" not in f"{caught.value.message}{caught.value.hint}"
    assert "what a Hub answers" not in caught.value.message
    assert not hub.log
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    close_session()
    assert fetch(parse_ref("alice/teacher", tmp_path), client=client).repo_id == "alice/teacher"


def test_an_http_proxy_is_used_beside_one_that_cannot_be(
    hub: HubServer, client_of: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", hub.url)  # asked for another host, it answers as a proxy would
    client_of()
    answer = get_session().get(f"{FAR}/api/models/nobody/nothing")
    assert answer.status_code in (401, 404)
    assert hub.log
    with pytest.raises(ProxyUnusable):
        get_session().get("https://hub.example/api/models/nobody/nothing")


def test_a_dead_proxy_is_named(hub: HubServer, client_of: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://user:secret@127.0.0.1:9")
    with pytest.raises(FetchError) as caught:
        fetch(parse_ref("alice/teacher", Path()), client=client_of())
    assert "cannot be reached through the proxy of HTTP_PROXY (http://127.0.0.1:9)" in caught.value.message
    assert "check HTTP_PROXY, the connection" in str(caught.value.hint)
    assert "secret" not in str(caught.value)


def test_a_client_of_the_program_stays(client_of: MakeClient) -> None:
    client_of()
    ours = get_session()
    assert isinstance(ours, session.Session)
    hooks = ours.event_hooks["request"]
    with closing(httpx.Client(headers={"x-own": "1"})) as own:
        try:
            set_client_factory(lambda: own)
            client_of()
            assert get_session() is own
        finally:
            set_client_factory(lambda: session._session(hooks))


HOOKS = """
from huggingface_hub import get_session
before = get_session().event_hooks["request"]
from hubslice.hub.client import Client
Client()
Client()
print(type(get_session()).__module__, len(before), get_session().event_hooks["request"] == before)
"""


def test_what_huggingface_hub_does_before_requests_is_done() -> None:
    done = subprocess.run([sys.executable, "-c", HOOKS], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["hubslice.hub.session", "1", "True"]


VERBS = """
import json, os, sys
from hubslice.app import run
told = {}
for command in json.loads(sys.argv[1]):
    print(f"== {command}", file=sys.stderr, flush=True)
    told[command] = run(command.split())
print(json.dumps(told), file=sys.stderr)
"""
RECIPE = """\
kind: slice
name: far
teacher: {model: alice/teacher}
data: {path: alice/rows}
"""


@pytest.mark.slow
def test_every_verb_names_the_proxy(hub: HubServer, tmp_path: Path) -> None:
    place = tmp_path / "place"
    (place / "student").mkdir(parents=True)
    for name, content in model().items():
        (place / "student" / name).write_bytes(content)
    (place / "recipe.yaml").write_text(RECIPE)
    commands = {
        "pull alice/teacher": 3,
        "pull alice/teacher --dry-run": 3,
        "push student alice/student": 3,
        "verify alice/student": 3,
        "lineage student --candidates alice/teacher alice/other": 3,
        "slice recipe.yaml --until data --out run": 3,
        "doctor": 0,
    }
    environment = (
        os.environ
        | hub.env(tmp_path / "home", "hf_alice")
        | {"ALL_PROXY": "socks5://127.0.0.1:1", "NO_PROXY": "", "no_proxy": ""}
    )
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path), "HUBSLICE_CACHE": str(tmp_path / "own")}
    done = subprocess.run(
        [sys.executable, "-c", VERBS, json.dumps(list(commands))],
        cwd=place, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    *_, last = done.stderr.strip().splitlines()
    told = {part.partition("\n")[0]: " ".join(part.split()) for part in done.stderr.split("== ")[1:]}
    for command, code in json.loads(last).items():
        text = told[command] + (" ".join(done.stdout.split()) if command == "doctor" else "")
        assert code == commands[command] or command == "doctor", text
        assert "the proxy of ALL_PROXY" in text, text
        assert "this is a fault of hubslice" not in text
    assert not hub.log


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://user:pa://ss@host:1", "http://host:1"),
        ("http://user:p@ss@host:1", "http://host:1"),
        ("user:secret@host:1", "host:1"),
        ("user:pa://ss@host:1", "host:1"),
        ("SOCKS5://user:secret@host:1", "SOCKS5://host:1"),
        ("host:1", "host:1"),
    ],
)
def test_a_password_is_never_shown(address: str, shown: str) -> None:
    assert str(Proxy("ALL_PROXY", address)) == f"ALL_PROXY ({shown})"
