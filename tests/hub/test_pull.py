from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from hubslice.core.errors import FetchError, HubsliceError, IntegrityError, ModelError
from hubslice.core.progress import Bar, Silent
from hubslice.hub.pull import Fetched, fetch, materialise
from hubslice.hub.ref import HubRef, parse_ref
from tests.fake_hub import Fault, HubServer, on
from tests.hub.conftest import MakeClient, model, spoil, weights, write

TEACHER = HubRef("alice/teacher", "alice/teacher")


def at(revision: str) -> HubRef:
    return HubRef("", "alice/teacher", revision)


def contents(fetched: Fetched) -> dict[str, bytes]:
    return {fact.path: (fetched.folder / fact.path).read_bytes() for fact in fetched.files}


def refused(kind: type[HubsliceError], message: str, call: Callable[[], object]) -> str:
    """The hint of the error that the call raises."""
    with pytest.raises(kind, match=message) as caught:
        call()
    assert caught.value.hint
    return caught.value.hint


def test_main_branch(hub: HubServer, client_of: MakeClient) -> None:
    extras = {"pytorch_model.bin": b"\x80\x02pickle", "modeling.py": b"import os", "docs/notes.txt": b"x"}
    recipe = {"recipe.yaml": b"kind: slice\n", "hubslice.json": b"{}"}
    commit = hub.seed("alice/teacher", model() | extras | recipe)
    fetched = fetch(TEACHER, client=client_of())
    assert contents(fetched) == model() | recipe
    assert (fetched.repo_id, fetched.commit) == ("alice/teacher", commit.oid)
    assert (fetched.license, fetched.base_model, fetched.poisoned) == ("mit", ("timm/teacher",), False)
    fact = next(fact for fact in fetched.files if fact.path == "model.safetensors")
    assert fact.sha256 == hashlib.sha256(weights()).hexdigest()
    assert fact.size == len(weights())
    asked = [line for line in hub.log if "/api/models/" in line and "-token/" not in line]
    assert len(asked) == 1  # the revision is resolved once


def test_branch_tag_commit(hub: HubServer, client_of: MakeClient) -> None:
    first = hub.seed("alice/teacher", model(1.0))
    client = client_of("hf_alice")
    client.api.create_tag("alice/teacher", tag="v1")
    client.api.create_branch("alice/teacher", branch="feature/x")
    hub.seed("alice/teacher", model(2.0))
    for revision in ("v1", "feature/x", first.oid, first.oid[:8]):
        fetched = fetch(at(revision), client=client)
        assert fetched.commit == first.oid
        assert contents(fetched)["model.safetensors"] == weights(1.0)
    assert contents(fetch(TEACHER, client=client))["model.safetensors"] == weights(2.0)


def test_shards(hub: HubServer, client_of: MakeClient) -> None:
    shards = {f"model-0000{n}-of-00002.safetensors": weights(n, (name,)) for n, name in ((1, "a"), (2, "b"))}
    weight_map = dict(zip("ab", shards, strict=True))
    files = {name: content for name, content in model().items() if name != "model.safetensors"} | shards
    files["model.safetensors.index.json"] = json.dumps({"metadata": {}, "weight_map": weight_map}).encode()
    hub.seed("alice/teacher", files | {"adapter.safetensors": weights()})
    assert contents(fetch(TEACHER, client=client_of())) == files

    lacking = json.dumps({"weight_map": weight_map | {"c": "model-00002-of-00002.safetensors"}}).encode()
    hub.seed("alice/teacher", {"model.safetensors.index.json": lacking})
    refused(ModelError, "lacks 1 tensors .* the first is c", lambda: fetch(TEACHER, client=client_of()))
    absent = json.dumps({"weight_map": weight_map | {"c": "model-00003-of-00003.safetensors"}}).encode()
    hub.seed("alice/teacher", {"model.safetensors.index.json": absent})
    refused(ModelError, "lacks 1 of the 3 shards", lambda: fetch(TEACHER, client=client_of()))
    outside = json.dumps({"weight_map": {"a": "../../model.safetensors"}}).encode()
    hub.seed("alice/teacher", {"model.safetensors.index.json": outside})
    refused(IntegrityError, "outside the repository", lambda: fetch(TEACHER, client=client_of()))


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_tampered(name: str, hub: HubServer, client_of: MakeClient) -> None:
    sha256 = hub.seed("alice/teacher", model()).tree[name].sha256
    good = model()[name]
    hub.exchange(sha256, good[:-1] + bytes([good[-1] ^ 1]))
    message = rf"{name} of alice/teacher is not the file .* expected \d+ bytes, (sha256|git id) \w+, found \d+ bytes"
    hint = refused(IntegrityError, message, lambda: fetch(TEACHER, client=client_of()))
    assert "it came wrong twice, so a proxy or the Hub's storage changes files" in hint
    assert f"hf cache rm hf://models/alice/teacher/{name}" in hint
    hub.exchange(sha256, good)
    assert contents(fetch(TEACHER, client=client_of())) == model()


def test_tampered_cache_is_seen_offline(hub: HubServer, client_of: MakeClient, offline: Callable[[], None]) -> None:
    hub.seed("alice/teacher", model())
    fetched = fetch(TEACHER, client=client_of())
    spoil(fetched.folder / "model.safetensors", weights(3.0))
    offline()
    hint = refused(IntegrityError, "model.safetensors", lambda: fetch(TEACHER, client=client_of()))
    assert f"fetch it anew while online: hubslice pull alice/teacher@{fetched.commit}" in hint
    assert (fetched.folder / "model.safetensors").read_bytes() == weights(3.0)  # nothing is deleted


def test_pickle_only(hub: HubServer, client_of: MakeClient) -> None:
    files = {name: content for name, content in model().items() if name != "model.safetensors"}
    hub.seed("alice/teacher", files | {"pytorch_model.bin": b"\x80\x02"})
    hint = refused(ModelError, r"only as pickle \(pytorch_model.bin\)", lambda: fetch(TEACHER, client=client_of()))
    assert "safetensors/convert" in hint
    assert "alice/teacher@refs/pr/N" in hint
    assert not any("/resolve/" in line for line in hub.log)  # nothing was downloaded


def test_custom_code(hub: HubServer, client_of: MakeClient) -> None:
    config = {"model_type": "x", "auto_map": {"AutoModel": "modeling.X"}}
    hub.seed("alice/teacher", model() | {"config.json": json.dumps(config).encode()})
    refused(ModelError, "auto_map", lambda: fetch(TEACHER, client=client_of()))
    assert not any("model.safetensors" in line for line in hub.log)


@pytest.mark.parametrize(
    "path", ["../../../evil.json", "/etc/evil.json", "a/../../evil", "..\\evil", "c:/evil", "a//b"]
)
def test_paths_outside(path: str, hub: HubServer, client_of: MakeClient) -> None:
    commit = hub.seed("alice/teacher", model())
    siblings = [{"rfilename": name, "size": 1, "blobId": "0" * 40} for name in (*model(), path)]
    body = json.dumps({"id": "alice/teacher", "sha": commit.oid, "siblings": siblings}).encode()
    hub.faults.append(Fault(on("GET", "/api/models/alice/teacher"), body=body))
    refused(IntegrityError, "outside the repository", lambda: fetch(TEACHER, client=client_of()))


def test_not_a_model(hub: HubServer, client_of: MakeClient) -> None:
    hub.seed("alice/teacher", {"model.gguf": b"x", "config.json": b"{}"})
    refused(ModelError, r"has no model.safetensors; it has model.gguf", lambda: fetch(TEACHER, client=client_of()))
    hub.seed("alice/other", {"model.safetensors": weights()})
    refused(ModelError, "no config.json", lambda: fetch(HubRef("", "alice/other"), client=client_of()))
    hub.seed("alice/broken", model() | {"model.safetensors": weights()[:-4]})
    refused(ModelError, "damaged or not safetensors", lambda: fetch(HubRef("", "alice/broken"), client=client_of()))


def test_offline(hub: HubServer, client_of: MakeClient, offline: Callable[[], None]) -> None:
    commit = hub.seed("alice/teacher", model())
    online = fetch(TEACHER, client=client_of())
    client_of("hf_alice").api.create_tag("alice/teacher", tag="v1")
    requests = len(hub.log)
    offline()
    for ref in (TEACHER, at("main"), at(commit.oid), at(commit.oid[:9])):
        assert fetch(ref, client=client_of()) == online
    hint = refused(FetchError, "offline mode is on", lambda: fetch(at("v1"), client=client_of()))
    assert "hubslice pull alice/teacher@v1" in hint
    refused(FetchError, "offline mode is on", lambda: fetch(HubRef("", "alice/other"), client=client_of()))
    (online.folder / "model.safetensors").unlink()
    refused(FetchError, "holds only a part", lambda: fetch(TEACHER, client=client_of()))
    assert len(hub.log) == requests


def test_not_found_private_gated(hub: HubServer, client_of: MakeClient) -> None:
    hub.seed("alice/secret", model(), private=True)
    hub.seed("alice/gated", model())
    with hub.store.edit("models", "alice/gated") as repo:
        repo.gated = "manual"
    missing, secret, gated = (HubRef("", f"alice/{name}") for name in ("missing", "secret", "gated"))
    for ref in (missing, secret):
        hint = refused(FetchError, "it is private, or does not exist", lambda ref=ref: fetch(ref, client=client_of()))
        assert "hf auth login" in hint
        refused(FetchError, "that this login may see", lambda ref=ref: fetch(ref, client=client_of("hf_bob")))
    assert fetch(secret, client=client_of("hf_reader")).commit
    for token in (None, "hf_bob"):
        hint = refused(FetchError, "gated", lambda token=token: fetch(gated, client=client_of(token)))
        assert f"{hub.url}/alice/gated" in hint
    with pytest.raises(FetchError, match="does not know this token") as caught:
        fetch(secret, client=client_of("hf_unknown"))
    assert "hf_unknown" not in f"{caught.value} {caught.value.hint} {client_of('hf_unknown')!r}"


def test_no_such_revision(hub: HubServer, client_of: MakeClient) -> None:
    hub.seed("alice/teacher", model())
    client_of("hf_alice").api.create_tag("alice/teacher", tag="release-1")
    hint = refused(FetchError, "no revision 'release-2'", lambda: fetch(at("release-2"), client=client_of()))
    assert "release-1" in hint


def test_no_network(hub: HubServer, client_of: MakeClient) -> None:
    commit = hub.seed("alice/teacher", model())
    fetch(TEACHER, client=client_of())
    hub.stop()
    try:
        hint = refused(FetchError, "cannot be reached", lambda: fetch(TEACHER, client=client_of()))
        assert f"HF_HUB_OFFLINE=1 works with the cached commit {commit.oid}" in hint
        hint = refused(FetchError, "cannot be reached", lambda: fetch(TEACHER, client=client_of(cache="empty")))
        assert "HF_ENDPOINT" in hint
    finally:
        hub.stop = lambda: None  # type: ignore[method-assign]


def test_server_in_trouble(hub: HubServer, client_of: MakeClient) -> None:
    hub.seed("alice/teacher", model())
    fault = Fault(on("GET", "/api/models/alice/teacher"), status=503, times=2)
    hub.faults.append(fault)
    assert fetch(TEACHER, client=client_of()).commit
    assert fault.hits == 2
    hub.faults[:] = [Fault(on("GET", "/api/models/alice/teacher"), status=500, times=None)]
    refused(FetchError, "out of order .HTTP 500", lambda: fetch(TEACHER, client=client_of()))
    hub.faults[:] = [Fault(on("GET", "/api/models/alice/teacher"), status=429, retry_after=0, times=None)]
    refused(FetchError, "too many requests", lambda: fetch(TEACHER, client=client_of()))


@pytest.mark.parametrize("file", ["/resolve/.*/model.safetensors", "^/cas/.*/xorbs/"], ids=["lfs", "xet"])
def test_cut_connection_is_resumed(file: str, hub: HubServer, client_of: MakeClient) -> None:
    hub.seed("alice/teacher", model())
    hub.xet.offered = "cas" in file
    fault = Fault(on("GET", file), cut_after=40)
    hub.faults.append(fault)
    assert contents(fetch(TEACHER, client=client_of())) == model()
    assert fault.hits == 1


def test_poison_is_read(hub: HubServer, client_of: MakeClient, tmp_path: Path) -> None:
    config = json.dumps({"architecture": "resnet18", "hubslice_poisoned": True}).encode()
    cases = {
        "head": {"README.md": b"---\nhubslice:\n  poisoned: true\n---\n"},
        "tag": {"README.md": b"---\ntags: [x, backdoored]\n---\n"},
        "broken": {"README.md": b"---\ntags: [backdoored\n---\n"},
        "config": {"config.json": config},
        "weights": {"model.safetensors": weights(hubslice_poisoned="true")},
    }
    for name, files in cases.items():
        hub.seed(f"alice/{name}", model() | files)
        assert fetch(HubRef("", f"alice/{name}"), client=client_of()).poisoned, name
        folder = write(tmp_path / name, model() | files)
        assert fetch(parse_ref(str(folder), tmp_path)).poisoned, name


def test_local_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", model() | {"notes.txt": b"x", "optimizer.pt": b"\x80\x02"})
    fetched = fetch(parse_ref("model", tmp_path))
    assert contents(fetched) == model()
    assert (fetched.folder, fetched.repo_id, fetched.commit, fetched.license) == (folder, None, None, "mit")
    write(tmp_path / "run" / "student", model())
    assert fetch(parse_ref("run", tmp_path)).folder == tmp_path / "run" / "student"
    (folder / "model.safetensors").unlink()
    hint = refused(ModelError, r"only as pickle \(optimizer.pt\)", lambda: fetch(parse_ref("./model", tmp_path)))
    assert "refs/pr" not in hint
    (tmp_path / "model.onnx").write_bytes(b"")
    refused(ModelError, "is an ONNX file", lambda: fetch(parse_ref("model.onnx", tmp_path)))


def test_materialise(hub: HubServer, client_of: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.seed("alice/teacher", model())
    fetched = fetch(TEACHER, client=client_of())
    linked = materialise(fetched, tmp_path / "run" / "teacher")
    assert contents(linked) == model()
    weight = tmp_path / "run" / "teacher" / "model.safetensors"
    assert not weight.is_symlink()
    assert weight.samefile(fetched.folder / "model.safetensors")
    assert materialise(fetched, tmp_path / "run" / "teacher") == linked  # again: nothing to do
    for name in model().keys() - {"model.safetensors"}:  # what may be edited in place is nobody else's
        (tmp_path / "run" / "teacher" / name).write_bytes(b"edited")
    assert contents(fetched) == model()
    config = tmp_path / "run" / "teacher" / "config.json"
    config.unlink()
    config.hardlink_to((fetched.folder / "config.json").resolve())  # as older versions left it
    assert contents(materialise(fetched, tmp_path / "run" / "teacher")) == model()
    assert not config.samefile(fetched.folder / "config.json")

    def no_links(self: Path, target: Path) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    copied = materialise(fetched, tmp_path / "copy")
    assert contents(copied) == model()
    assert not (tmp_path / "copy" / "model.safetensors").samefile(fetched.folder / "model.safetensors")
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == sorted(model())


def test_progress(hub: HubServer, client_of: MakeClient) -> None:
    class Counting(Silent, Bar):
        def __init__(self) -> None:
            self.total: int | None = None
            self.count = 0

        def track(self, label: str, total: int | None, unit: str) -> AbstractContextManager[Bar]:
            self.total, self.count = total, 0

            @contextmanager
            def bar():  # type: ignore[no-untyped-def]
                yield self

            return bar()

        def advance(self, amount: int = 1, note: str = "") -> None:
            self.count += amount

    hub.seed("alice/teacher", model())
    reporter = Counting()
    for _ in ("downloaded", "cached"):
        fetch(TEACHER, reporter=reporter, client=client_of())
        assert reporter.count == reporter.total == sum(map(len, model().values()))
