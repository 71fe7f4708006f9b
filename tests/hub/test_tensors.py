"""Parts of tensors, wherever the model lives: by ranges from the Hub, from the cache, from folders and files."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import try_to_load_from_cache
from safetensors.numpy import save

from hubslice.core.errors import FetchError, ModelError
from hubslice.files.tensor_parts import Piece
from hubslice.hub.pull import fetch
from hubslice.hub.ref import HubRef, parse_ref
from hubslice.hub.tensors import open_file, open_tensors
from tests.fake_hub import Fault, HubServer, on
from tests.fake_hub.wire import Request
from tests.hub.conftest import MakeClient, model, write

TEACHER = HubRef("alice/teacher", "alice/teacher")
LARGE = np.arange(1_000_000, dtype=np.float32).reshape(1000, 1000)
SMALL = np.arange(100, 112, dtype=np.float16).reshape(3, 4)
PIECES = [Piece("small", 8, 16), Piece("large", 4_000, 8_000), Piece("large", 3_996_000, 4_000_000)]


@pytest.fixture
def asked(hub: HubServer) -> list[tuple[int, int]]:
    """The ranges of weights that were asked for, first and last byte."""
    seen: list[tuple[int, int]] = []

    def note(request: Request) -> bool:
        if request.method == "GET" and (request.path.endswith(".safetensors") or "/xorbs/" in request.path):
            first, last = request.headers["Range"].removeprefix("bytes=").split("-")
            seen.append((int(first), int(last)))
        return False  # not a fault

    hub.faults.append(Fault(note))
    return seen


def one() -> dict[str, bytes]:
    return model() | {"model.safetensors": save({"large": LARGE, "small": SMALL})}


def sharded() -> dict[str, bytes]:
    files = model()
    del files["model.safetensors"]
    places = {"large": "model-00001-of-00002.safetensors", "small": "model-00002-of-00002.safetensors"}
    return files | {
        "model.safetensors.index.json": json.dumps({"weight_map": places}).encode(),
        places["large"]: save({"large": LARGE}),
        places["small"]: save({"small": SMALL}),
    }


def expected() -> list[bytes]:
    return [SMALL[1].tobytes(), LARGE[1].tobytes(), LARGE[999].tobytes()]


@pytest.mark.parametrize("files", [one(), sharded()], ids=["one file", "shards"])
def test_only_the_parts_travel(hub: HubServer, client_of: MakeClient, tmp_path: Path, files: dict[str, bytes]) -> None:
    hub.seed("alice/teacher", files)
    found = open_tensors(TEACHER, client=client_of())
    assert {name: info.shape for name, info in found.infos.items()} == {"large": (1000, 1000), "small": (3, 4)}
    assert found.read(PIECES) == expected()
    assert found.bytes_read < 220_000  # headers, and parts with what lies between near ones
    assert found.size == 4_000_024
    assert not list((tmp_path / "cache").rglob("model*.safetensors"))


def test_no_byte_travels_twice(hub: HubServer, client_of: MakeClient, asked: list[tuple[int, int]]) -> None:
    """Also not the parts of a whole that is wanted later, nor what came with the header or lay between two parts."""
    content = one()["model.safetensors"]
    hub.seed("alice/teacher", one())
    found = open_tensors(TEACHER, client=client_of())
    for _ in range(2):
        assert found.read(PIECES) == expected()
    first = sum(last + 1 - start for start, last in asked)
    assert found.bytes_read == first < 220_000
    assert found.read([Piece("large", 0, 4_000_000)]) == [LARGE.tobytes()]
    assert found.read([Piece("small", 0, 24), *PIECES]) == [SMALL.tobytes(), *expected()]
    fetched = Counter(byte for start, last in asked for byte in (start, last))
    assert max(fetched.values()) == 1
    assert sum(last + 1 - start for start, last in asked) == found.bytes_read <= len(content)


def test_a_small_file_comes_with_its_header(
    hub: HubServer, client_of: MakeClient, asked: list[tuple[int, int]]
) -> None:
    weights = save({"small": SMALL})
    hub.seed("alice/teacher", model() | {"model.safetensors": weights})
    found = open_tensors(TEACHER, client=client_of())
    assert found.read([Piece("small", 8, 16)]) == [SMALL[1].tobytes()]
    assert len(asked) == 1
    assert found.bytes_read == len(weights)


def test_a_local_byte_that_is_read_twice_counts_once(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", one())
    found = open_tensors(parse_ref(str(folder), tmp_path))
    size = found.bytes_read
    for pieces in (PIECES, [Piece("large", 4_000, 12_000)], PIECES):
        found.read(pieces)
    assert found.bytes_read == size + 8 + 8_000 + 4_000


@pytest.mark.parametrize("files", [one(), sharded()], ids=["one file", "shards"])
def test_a_cached_model_stays_usable_when_a_newer_one_was_looked_at(
    hub: HubServer, client_of: MakeClient, tmp_path: Path, offline: object, files: dict[str, bytes]
) -> None:
    """Of the newer commit next to nothing is fetched, so that the cache may not call it the branch's."""
    old = hub.seed("alice/teacher", files)
    fetch(TEACHER, client=client_of())
    (name, *_) = (path for path in files if path.endswith(".safetensors"))
    hub.seed("alice/teacher", {name: files[name].replace(LARGE[1].tobytes(), LARGE[2].tobytes())})
    found = open_tensors(TEACHER, client=client_of())
    assert found.commit != old.oid
    assert found.read([PIECES[1]]) == [LARGE[2].tobytes()]
    cache = tmp_path / "cache"
    assert (cache / "models--alice--teacher/refs/main").read_text() == old.oid
    assert isinstance(try_to_load_from_cache("alice/teacher", "config.json", cache_dir=cache), str)
    offline()  # type: ignore[operator]
    assert fetch(TEACHER, client=client_of()).commit == old.oid
    assert open_tensors(TEACHER, client=client_of()).read(PIECES) == expected()


def test_a_commit_that_is_cached_is_remembered(
    hub: HubServer, client_of: MakeClient, tmp_path: Path, offline: object
) -> None:
    """The branch moved to a commit that was fetched by its own name."""
    commit = hub.seed("alice/teacher", one()).oid
    fetch(HubRef("alice/teacher", "alice/teacher", commit), client=client_of())
    open_tensors(TEACHER, client=client_of())
    offline()  # type: ignore[operator]
    assert open_tensors(TEACHER, client=client_of()).commit == commit


@pytest.mark.parametrize("told", ["bytes 1-100000/4000160", "bytes 500000-500099/*", "items 1-2/3", None], ids=str)
@pytest.mark.parametrize("part", ["header", "weights"])
def test_other_bytes_than_those_asked_for_are_refused(
    hub: HubServer, client_of: MakeClient, told: str | None, part: str
) -> None:
    hub.seed("alice/teacher", one())
    found = open_tensors(TEACHER, client=client_of())
    hub.faults.append(Fault(on("GET", "safetensors"), headers={"Content-Range": told}, times=None))
    others = (
        r"asked for the bytes from \d+ of model\.safetensors of alice/|what http\S+ answers .*it has \d+ bytes, not"
    )
    with pytest.raises(FetchError, match=others) as refused:
        open_tensors(TEACHER, client=client_of()) if part == "header" else found.read(PIECES)
    assert any(each in (refused.value.hint or "") for each in ("run it again", "HF_ENDPOINT"))


def test_a_range_that_ends_early_is_refused(hub: HubServer, client_of: MakeClient) -> None:
    """More bytes came than the server says that it gives."""
    hub.seed("alice/teacher", one())
    found = open_tensors(TEACHER, client=client_of())
    start = len(one()["model.safetensors"]) - 4_000_024 + 2_000_000
    hub.faults.append(Fault(on("GET", "safetensors"), headers={"Content-Range": f"bytes {start}-{start + 9}/*"}))
    with pytest.raises(FetchError, match="the server gives others"):
        found.read([Piece("large", 2_000_000, 2_004_000)])


@pytest.mark.parametrize("files", [one(), sharded()], ids=["one file", "shards"])
def test_a_folder_and_a_file(tmp_path: Path, files: dict[str, bytes]) -> None:
    folder = write(tmp_path / "model", files)
    found = open_tensors(parse_ref(str(folder), tmp_path))
    assert found.read(PIECES) == expected()
    assert found.bytes_read < 10_000
    (first, *_) = folder.glob("model*.safetensors")
    assert open_file(first).read([PIECES[1]]) == [expected()[1]]


def test_a_server_without_ranges_gives_the_file_once(
    hub: HubServer, client_of: MakeClient, tmp_path: Path, offline: object
) -> None:
    hub.seed("alice/teacher", one())

    def ignore(request: object) -> bool:
        headers = request.headers  # type: ignore[attr-defined]
        for name in [name for name in headers if name.lower() == "range"]:
            del headers[name]
        return False

    hub.faults.append(Fault(ignore))
    found = open_tensors(TEACHER, client=client_of())
    assert found.read(PIECES) == expected()
    assert found.read(PIECES[::-1]) == expected()[::-1]
    assert 4_000_000 < found.bytes_read < 4_200_000
    assert len(list((tmp_path / "cache").rglob("model.safetensors"))) == 1
    offline()  # type: ignore[operator]
    assert open_tensors(TEACHER, client=client_of()).read(PIECES) == expected()


def test_what_is_cached_is_not_asked_for(
    hub: HubServer, client_of: MakeClient, tmp_path: Path, offline: object
) -> None:
    hub.seed("alice/teacher", one())
    fetch(TEACHER, client=client_of())
    hub.faults.append(Fault(on("GET", "safetensors"), status=500, times=None))
    assert open_tensors(TEACHER, client=client_of()).read(PIECES) == expected()
    offline()  # type: ignore[operator]
    assert open_tensors(TEACHER, client=client_of()).read(PIECES) == expected()


def test_damaged_weights_are_told(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", one())
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ModelError, match="damaged or not safetensors"):
        open_tensors(parse_ref(str(folder), tmp_path))
