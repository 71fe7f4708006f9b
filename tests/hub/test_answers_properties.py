"""Whatever a server answers in the Hub's place ends in success or in a named error, and in the cache alone."""

from __future__ import annotations

import contextlib
import copy
import io
import itertools
import json
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import httpx2
import pytest
from huggingface_hub import close_session, set_client_factory
from huggingface_hub.utils import _http
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubslice.core.errors import HubError, InputError
from hubslice.hub.client import Client
from hubslice.hub.published import fetch_recipe
from hubslice.hub.pull import fetch
from hubslice.hub.push import plan_push, push
from hubslice.hub.ref import HubRef
from hubslice.hub.session import Session
from tests.fake_hub import HubServer
from tests.fake_hub.wire import Body, Request, Response
from tests.hub.conftest import TOKENS, model, write

# huggingface_hub warns of files that are larger than the disk; a server can claim any size.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")]

FILES = model() | {"recipe.yaml": b"kind: slice\n"}
NAMES = st.sampled_from(
    ["config.json", "model.safetensors", "../x", "/etc/x", "a//b", "", ".", "CON", "\x00", "é" * 300]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | NAMES
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=5
)
HEADERS = st.dictionaries(
    st.sampled_from(["ETag", "X-Linked-ETag", "X-Linked-Size", "X-Repo-Commit", "Content-Length", "Retry-After"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20) | st.sampled_from(["../../x", "-1"]),
    max_size=2,
)  # fmt: skip
QUICK = settings(
    max_examples=40,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@st.composite
def bends(draw: st.DrawFn) -> Callable[[Any], Any]:
    """A change somewhere in a JSON document: another value, a key less, a key more."""
    steps, kind, value = draw(st.lists(st.integers(0, 9), max_size=4)), draw(st.sampled_from("=-+")), draw(VALUES)

    def bend(document: Any) -> Any:
        root = [copy.deepcopy(document)]
        parent, key, here = root, 0, root[0]
        for step in steps:
            keys = list(here) if isinstance(here, dict) else list(range(len(here))) if isinstance(here, list) else []
            if not keys:
                break
            parent, key = here, keys[step % len(keys)]
            here = parent[key]
        if kind == "+" and isinstance(here, dict):
            here["another"] = value
        elif kind == "-" and parent is not root:
            del parent[key]
        else:
            parent[key] = value
        return root[0]

    return bend


class Bent:
    """The Hub without sockets; `which` request of a command gets a bent answer."""

    def __init__(self, hub: HubServer) -> None:
        self.hub, self.calls = hub, itertools.count()
        self.which, self.bend, self.headers = -1, lambda document: document, {}

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        headers, body = Message(), request.read()
        for name, value in request.headers.items():
            headers[name] = value
        asked = Request(request.method, request.url.raw_path.decode(), headers, Body(io.BytesIO(body), headers))
        answer = self.hub.protocol.answer(asked)
        sent = io.BytesIO()
        answer.write(sent)
        content = sent.getvalue()
        if next(self.calls) == self.which:
            content = self._bent(answer, content)
            answer.headers |= self.headers
        return httpx2.Response(
            answer.status, headers={"Content-Length": str(len(content))} | answer.headers, content=content
        )

    def _bent(self, answer: Response, content: bytes) -> bytes:
        if "json" not in answer.headers.get("Content-Type", ""):
            return content
        return json.dumps(self.bend(json.loads(content))).encode()

    def lay(self, which: int, bend: Callable[[Any], Any], headers: dict[str, str]) -> None:
        self.calls, self.which, self.bend, self.headers = itertools.count(), which, bend, headers


@pytest.fixture
def bent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bent]:
    monkeypatch.setattr("hubslice.hub.session.time.sleep", lambda _: None)
    with HubServer(tmp_path / "hub", TOKENS) as hub:
        found = Bent(hub)
        set_client_factory(lambda: Session(transport=httpx2.MockTransport(found), follow_redirects=True))
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        yield found
    set_client_factory(_http.default_client_factory)
    close_session()


def outside(tmp_path: Path) -> set[Path]:
    return {path for path in tmp_path.rglob("*") if not {"hub", "caches"} & set(path.relative_to(tmp_path).parts)}


@given(st.integers(0, 9), bends(), HEADERS)
@QUICK
def test_pull(bent: Bent, tmp_path: Path, which: int, bend: Callable[[Any], Any], headers: dict[str, str]) -> None:
    number = sum(1 for _ in (tmp_path / "caches").glob("*"))
    bent.hub.seed("alice/teacher", FILES)
    client = Client(endpoint=bent.hub.url, token="hf_alice", cache_dir=tmp_path / "caches" / str(number))
    client.cache("alice/teacher").parent.mkdir(parents=True)
    before = outside(tmp_path)
    ref = HubRef("", "alice/teacher", "main")
    for command in (
        lambda: fetch(ref, client=client),
        lambda: fetch_recipe(ref, client=client),
    ):
        bent.lay(which, bend, headers)
        with contextlib.suppress(HubError, InputError):
            command()
    assert outside(tmp_path) == before
    bent.lay(-1, bend, {})
    fetched = fetch(ref, client=client)
    assert {fact.path: (fetched.folder / fact.path).read_bytes() for fact in fetched.files} == FILES


@given(st.integers(0, 9), bends(), HEADERS, st.booleans())
@QUICK
def test_push(
    bent: Bent, tmp_path: Path, which: int, bend: Callable[[Any], Any], headers: dict[str, str], new: bool
) -> None:
    number = sum(1 for _ in (tmp_path / "caches").glob("*"))
    repo = f"alice/student-{number}"
    folder = write(tmp_path / "hub" / "student", FILES)
    client = Client(endpoint=bent.hub.url, token="hf_alice", cache_dir=tmp_path / "caches" / str(number))
    client.cache(repo).parent.mkdir(parents=True)
    if not new:
        bent.hub.seed(repo, {"README.md": b"# Theirs\n"})
    before = outside(tmp_path)
    bent.lay(which, bend, headers)
    with contextlib.suppress(HubError, InputError):
        push(
            plan_push(
                folder, repo, poisoned=False, render=lambda text: (text or "").encode() + b"# Ours\n", client=client
            )
        )
    assert outside(tmp_path) == before
    held = bent.hub.files(repo) if bent.hub.store.find("models", repo) else {}
    assert set(held) <= {".gitattributes", "README.md"} or set(FILES) <= set(held)  # nothing or all
