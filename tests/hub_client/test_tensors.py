"""Parts of tensors, wherever the model lives: by ranges from the Hub, from the cache, from folders and files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from hubslice.artefacts.tensor_parts import Piece
from hubslice.errors import ModelError
from hubslice.hub.pull import fetch
from hubslice.hub.ref import HubRef, parse_ref
from hubslice.hub.tensors import open_file, open_tensors
from tests.hub import Fault, HubServer, on
from tests.hub_client.conftest import MakeClient, model, write

TEACHER = HubRef("alice/teacher", "alice/teacher")
LARGE = np.arange(1_000_000, dtype=np.float32).reshape(1000, 1000)
SMALL = np.arange(100, 112, dtype=np.float16).reshape(3, 4)
PIECES = [Piece("small", 8, 16), Piece("large", 4_000, 8_000), Piece("large", 3_996_000, 4_000_000)]


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


@pytest.mark.parametrize("files", [one(), sharded()], ids=["one file", "shards"])
def test_a_folder_and_a_file(tmp_path: Path, files: dict[str, bytes]) -> None:
    folder = write(tmp_path / "model", files)
    found = open_tensors(parse_ref(str(folder), tmp_path))
    assert found.read(PIECES) == expected()
    assert found.bytes_read < 10_000
    (first, *_) = folder.glob("model*.safetensors")
    assert open_file(first).read([PIECES[1]]) == [expected()[1]]


def test_a_server_without_ranges_gives_the_file_once(hub: HubServer, client_of: MakeClient, tmp_path: Path) -> None:
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
