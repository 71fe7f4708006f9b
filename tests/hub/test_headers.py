"""Headers of weights read without the weights: from the Hub by ranges, from files by their first bytes."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from hubslice.core.errors import FetchError, HubsliceError, ModelError
from hubslice.hub.integrity import header_of
from hubslice.hub.preview import preview
from hubslice.hub.pull import fetch
from hubslice.hub.ref import HubRef, parse_ref
from tests.fake_hub import Fault, HubServer, on
from tests.fake_hub.unruly import Way, login_page, plain_page, unruly
from tests.fake_hub.wire import Request
from tests.hub.conftest import MakeClient, model, weights, write

TEACHER = HubRef("alice/teacher", "alice/teacher")
WEIGHTS = "/resolve/.*safetensors$"


@pytest.fixture
def ranges(hub: HubServer) -> list[tuple[str, str]]:
    """File and range of every request for a file's content."""
    seen: list[tuple[str, str]] = []

    def note(request: Request) -> bool:
        if request.method == "GET" and ("/resolve/" in request.path or "/xorbs/" in request.path):
            seen.append((request.path.rpartition("/")[2], request.headers.get("Range", "")))
        return False  # not a fault

    hub.faults.append(Fault(note))
    return seen


def big(name: str = "weight") -> bytes:
    """Weights of 4 MB: far more than a header."""
    return save({name: np.zeros((1000, 1000), np.float32), "bias": np.zeros(3, np.float16)}, metadata={"format": "pt"})


def file_of(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def test_only_headers_travel(
    hub: HubServer, client_of: MakeClient, tmp_path: Path, ranges: list[tuple[str, str]]
) -> None:
    files = model() | {"model.safetensors": big()}
    commit = hub.seed("alice/teacher", files)
    found = preview(TEACHER, tmp_path / "seen", client=client_of())
    told = {name: (info.dtype, info.shape, info.size) for name, info in found.tensors.items()}
    assert told == {"weight": ("F32", (1000, 1000), 4_000_000), "bias": ("F16", (3,), 6)}
    assert (found.commit, found.license, found.poisoned, found.gated) == (commit.oid, "mit", False, False)
    assert found.files == {name: len(content) for name, content in files.items()}
    assert found.missing == len(big())  # configs and card are in the cache by now
    assert [each for each in ranges if each[0] == "model.safetensors"] == [("model.safetensors", "bytes=0-99999")]
    assert not list((tmp_path / "cache").rglob("model.safetensors"))
    assert sorted(path.name for path in (tmp_path / "seen").iterdir()) == [
        "README.md",
        "config.json",
        "preprocessor_config.json",
    ]


def test_what_is_cached_is_not_asked_for(
    hub: HubServer, client_of: MakeClient, tmp_path: Path, offline: object, ranges: list[tuple[str, str]]
) -> None:
    hub.seed("alice/teacher", model())
    fetch(TEACHER, client=client_of())
    ranges.clear()
    online = preview(TEACHER, tmp_path / "seen", client=client_of())
    assert ranges == []
    assert online.missing == 0
    offline()  # type: ignore[operator]
    again = preview(TEACHER, tmp_path / "seen", client=client_of())
    assert (again.tensors, again.files["model.safetensors"]) == (online.tensors, len(weights()))


def test_a_server_that_ignores_ranges_is_hung_up_on(hub: HubServer, client_of: MakeClient, tmp_path: Path) -> None:
    hub.seed("alice/teacher", model() | {"model.safetensors": big()})
    client = client_of()
    preview(TEACHER, tmp_path / "seen", client=client)  # configs are cached from here on

    received = 0
    from huggingface_hub import get_session

    session = get_session()
    stream = session.stream

    def counting(*args, **kwargs):  # type: ignore[no-untyped-def]
        kwargs["headers"].pop("Range")  # as if it had never been sent
        manager = stream(*args, **kwargs)

        class Counting:
            def __enter__(self):  # type: ignore[no-untyped-def]
                self.response = manager.__enter__()
                return self.response

            def __exit__(self, *error):  # type: ignore[no-untyped-def]
                nonlocal received
                received += self.response.num_bytes_downloaded
                return manager.__exit__(*error)

        return Counting()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "stream", counting)
        found = preview(TEACHER, tmp_path / "seen", client=client)
    assert found.tensors["weight"].shape == (1000, 1000)
    assert 0 < received < 1_000_000


def test_a_long_header_takes_a_second_request(
    hub: HubServer, client_of: MakeClient, tmp_path: Path, ranges: list[tuple[str, str]]
) -> None:
    names = tuple(f"{'x' * 80}.{index}" for index in range(1500))
    hub.seed("alice/teacher", model() | {"model.safetensors": weights(1.0, names)})
    assert set(preview(TEACHER, tmp_path / "seen", client=client_of()).tensors) == set(names)
    wanted = [wanted for path, wanted in ranges if path == "model.safetensors"]
    assert wanted[0] == "bytes=0-99999"
    assert wanted[1].startswith("bytes=100000-")
    assert len(wanted) == 2


def test_shards(hub: HubServer, client_of: MakeClient, tmp_path: Path) -> None:
    shards = {f"model-0000{n}-of-00002.safetensors": weights(n, (name,)) for n, name in ((1, "a"), (2, "b"))}
    weight_map = dict(zip("ab", shards, strict=True))
    files = {name: content for name, content in model().items() if name != "model.safetensors"} | shards
    files["model.safetensors.index.json"] = json.dumps({"weight_map": weight_map}).encode()
    hub.seed("alice/teacher", files | {"adapter.safetensors": big()})
    found = preview(TEACHER, tmp_path / "seen", client=client_of("hf_alice"))
    assert list(found.tensors) == ["a", "b"]
    assert list(found.weights) == list(shards)
    assert found.size == sum(map(len, files.values()))
    assert not any("adapter" in line for line in hub.log)
    local = preview(parse_ref(str(write(tmp_path / "local", files)), tmp_path), tmp_path / "seen")
    assert (local.tensors, local.files, local.missing) == (found.tensors, found.files, 0)

    lacking = json.dumps({"weight_map": weight_map | {"c": "model-00002-of-00002.safetensors"}}).encode()
    hub.seed("alice/teacher", {"model.safetensors.index.json": lacking})
    with pytest.raises(ModelError, match=r"lacks 1 tensors .* the first is c"):
        preview(TEACHER, tmp_path / "seen", client=client_of())
    absent = json.dumps({"weight_map": weight_map | {"c": "model-00003-of-00003.safetensors"}}).encode()
    hub.seed("alice/teacher", {"model.safetensors.index.json": absent})
    with pytest.raises(ModelError, match="lacks 1 of the 3 shards"):
        preview(TEACHER, tmp_path / "seen", client=client_of())


GOOD = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
DAMAGED = {
    "empty": (b"", "take 0 bytes"),
    "absurd length": (struct.pack("<Q", 2**62) + b"{}", f"take {2**62} bytes"),
    "longer than the limit": (struct.pack("<Q", 100_000_001) + b"{}", "take 100000001 bytes"),
    "longer than the file": (struct.pack("<Q", 500) + b"{}", "take 500 bytes"),
    "not JSON": (struct.pack("<Q", 4) + b"{{{{", "not JSON"),
    "a list": (file_of([1, 2]), "not a JSON object"),
    "unknown type": (file_of({"a": {"dtype": "F33", "shape": [2], "data_offsets": [0, 8]}}, bytes(8)), "unknown dtype"),
    "negative shape": (
        file_of({"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}}, bytes(8)),
        "impossible shape",
    ),
    "wrong size": (file_of({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}, bytes(8)), "needs 12 bytes"),
    "a hole": (file_of({"a": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}, bytes(12)), "leaves a gap"),
    "cut": (file_of(GOOD, bytes(7)), "its tensors take 8 bytes"),
    "too long": (file_of(GOOD, bytes(9)), "its tensors take 8 bytes"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged(case: str, hub: HubServer, client_of: MakeClient, tmp_path: Path) -> None:
    content, why = DAMAGED[case]
    hub.seed("alice/teacher", model() | {"model.safetensors": content})
    (tmp_path / "x").write_bytes(content)
    for read in (
        lambda: preview(TEACHER, tmp_path / "seen", client=client_of()),
        lambda: header_of(tmp_path / "x", name="x"),
    ):
        with pytest.raises(HubsliceError, match="damaged or not safetensors") as caught:
            read()
        assert why in caught.value.message
        assert caught.value.exit_code == 2
    with pytest.raises(HubsliceError):  # the loader agrees
        fetch(TEACHER, client=client_of())


@pytest.mark.parametrize("fault", [{"cut_after": 20}, {"cut_after": 0}, {"lost": True}], ids=str)
def test_a_range_that_is_cut_short_is_asked_for_again(
    fault: dict[str, object], hub: HubServer, client_of: MakeClient, tmp_path: Path
) -> None:
    hub.seed("alice/teacher", model())
    once = Fault(on("GET", WEIGHTS), **fault)  # type: ignore[arg-type]
    hub.faults.append(once)
    assert preview(TEACHER, tmp_path / "seen", client=client_of()).tensors
    assert once.hits == 1


@pytest.mark.parametrize("way", [login_page, plain_page])
def test_a_login_page_is_no_range(way: Way, hub: HubServer, client_of: MakeClient, tmp_path: Path) -> None:
    hub.seed("alice/teacher", model())
    with unruly(way) as network:
        hub.faults.append(Fault(on("GET", WEIGHTS), redirect=network.url, times=None))
        with pytest.raises(FetchError, match="is not what a Hub answers") as caught:
            preview(TEACHER, tmp_path / "seen", client=client_of())
    assert "check HF_ENDPOINT; a proxy or the login page" in (caught.value.hint or "")
    assert caught.value.exit_code == 3


def test_refusals_and_trouble(
    hub: HubServer, client_of: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubslice.hub.session._PATIENCE", (0.0, 0.0))
    hub.seed("alice/teacher", model())
    hub.seed("alice/secret", model(), private=True)
    secret = HubRef("", "alice/secret")
    assert preview(secret, tmp_path / "seen", client=client_of("hf_reader")).tensors
    fault = Fault(on("GET", WEIGHTS), status=503, times=2)
    hub.faults[:] = [fault]
    assert preview(TEACHER, tmp_path / "seen", client=client_of()).tensors
    assert fault.hits == 2
    for fault, why in (
        (Fault(on("GET", WEIGHTS), status=500, times=None), "out of order .HTTP 500"),
        (Fault(on("GET", WEIGHTS), status=429, retry_after=0, times=None), "too many requests"),
        (Fault(on("GET", WEIGHTS), cut_after=20, times=None), "cannot be reached"),
    ):
        hub.faults[:] = [fault]
        with pytest.raises(FetchError, match=rf"cannot read the header of model.safetensors .*{why}"):
            preview(TEACHER, tmp_path / "seen", client=client_of())
    with hub.store.edit("models", "alice/secret") as repo:
        repo.private, repo.gated = False, "manual"
    hub.faults.clear()
    assert preview(secret, tmp_path / "seen", client=client_of("hf_alice")).gated
    with pytest.raises(FetchError, match="gated"):
        preview(secret, tmp_path / "seen", client=client_of("hf_bob", cache="bob"))


def test_a_download_that_cannot_fit_is_not_begun(
    hub: HubServer, client_of: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.seed("alice/teacher", model() | {"model.safetensors": big()})
    usage = type("Usage", (), {"free": 1_000_000})
    monkeypatch.setattr("hubslice.hub.disk_space.shutil.disk_usage", lambda _: usage)
    with pytest.raises(FetchError, match=r"3\.8 MiB are still to be downloaded, .* has 976\.6 KiB left") as caught:
        fetch(TEACHER, client=client_of())
    assert "HF_HOME" in str(caught.value.hint)
    assert not any(line.startswith("GET") and ("/resolve/" in line or "/xorbs/" in line) for line in hub.log)
    usage.free = 5_000_000
    fetch(TEACHER, client=client_of())
    usage.free = 0  # nothing is missing any more
    fetch(TEACHER, client=client_of())
