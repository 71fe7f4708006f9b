"""`kill -9` in the middle of pull and push: the next ends well, the cache is sound, and no commit is half a model."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from hubslice.models.timm_adapter import TimmModel
from tests import warm
from tests.fake_hub import Fault, HubServer, User, on
from tests.fake_hub.wire import Request

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")]

TEACHER, STUDENT = "alice/teacher", "alice/student"
SLOW = 0.1  # seconds

Kill = Callable[..., list[int]]


# How large files come and go: the default on the way down, and on the way up the one where hubslice sees each request.
WAYS_DOWN = ["xet", pytest.param("lfs", marks=pytest.mark.deep)]
WAYS_UP = ["lfs", pytest.param("xet", marks=pytest.mark.deep)]


@pytest.fixture
def hub(way: str, tmp_path: Path) -> Iterator[HubServer]:
    """A Hub that takes its time, and notes every request as it comes in."""
    requests = tmp_path / "requests"
    requests.touch()

    def note(request: Request) -> bool:
        with requests.open("a") as file:
            file.write(f"{request.method} {request.path}\n")
        return False  # not a fault

    with HubServer(tmp_path / "hub", {"hf_alice": User("alice", role="write")}) as server:
        server.xet.offered = way == "xet"
        weights = on("GET", rf"/{TEACHER}/resolve/.*safetensors|^/cas/.*/xorbs/")
        server.faults += [Fault(note), Fault(weights, trickle=SLOW, times=None)]
        server.faults += [
            Fault(on("*", path), delay=2 * SLOW, times=None)
            for path in (TEACHER, STUDENT, "/lfs-upload", "^/cas/.*/v1/xorbs")
        ]
        yield server


@pytest.fixture
def kill(way: str, hub: HubServer, tmp_path: Path) -> Kill:
    def call(command: list[str], alike: list[str], moments: list[tuple[str, float]]) -> list[int]:
        told = json.dumps({"command": command, "warm": alike, "moments": moments})
        environment = os.environ | hub.env(tmp_path / "home", "hf_alice") | {"PYTHONPATH": str(Path.cwd())}
        environment["HF_HUB_DISABLE_XET"] = "0" if way == "xet" else "1"
        done = warm.run("-m", "tests.run.hub_kills", str(tmp_path / "requests"), told, env=environment)
        assert done.returncode == 0, done.stderr
        codes: list[int] = json.loads(done.stdout)
        assert codes[: len(moments)] == [-9] * len(moments), done.stderr
        assert codes[-1] == 0, done.stderr
        return codes[len(moments) :]

    return call


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("way", WAYS_DOWN)
def test_pull(way: str, hub: HubServer, kill: Kill, tmp_path: Path) -> None:
    teacher, out = tmp_path / "teacher", tmp_path / "out"
    TimmModel.create("test_resnet", ("blue", "red"), seed=1).save(teacher)
    hub.seed(TEACHER, teacher)
    # Another content: what the cache holds of one repository is not fetched for another.
    TimmModel.create("test_resnet", ("blue", "red"), seed=2).save(tmp_path / "different")
    hub.seed("alice/other", tmp_path / "different")
    file = rf"/{TEACHER}/resolve/\w+"
    data = "^GET /cas/.*/xorbs/" if way == "xet" else f"^GET {file}/model.safetensors"
    kill(
        ["pull", TEACHER, "--out", str(out)],
        ["pull", "alice/other", "--out", str(tmp_path / "other")],
        [
            (f"^GET /api/models/{TEACHER}", 0.0),
            (f"^GET {file}/config.json", 0.0),
            (f"^HEAD {file}/model.safetensors", 0.0),
            *((data, pieces * SLOW) for pieces in (0.5, 2.5, 4.5, 3.5)),
        ],
    )
    assert contents(out / "steps" / "pull" / "model") == contents(teacher)
    assert (out / "steps" / "export" / "model.onnx").is_file()
    assert not [path for path in out.rglob(".*") if path.name not in {".running", ".key"}]
    cache = tmp_path / "home" / "hub" / "models--alice--teacher"
    assert {path.name: path.read_bytes() for path in cache.glob("snapshots/*/*")} == contents(teacher)
    # huggingface_hub begins a killed download anew, under another name; `hf cache prune` clears what it left.
    cut = [path for path in cache.glob("blobs/*") if path.suffix == ".incomplete"]
    whole = {cache / "blobs" / path.readlink().name for path in cache.glob("snapshots/*/*")}
    assert {*cache.glob("blobs/*")} == {*whole, *cut}
    weights = (teacher / "model.safetensors").stat().st_size
    # The kills did strike in the middle; hf_xet writes when it has a whole run of chunks.
    assert sum(path.stat().st_size < weights and (way == "xet" or path.stat().st_size > 0) for path in cut) > 1


@pytest.mark.parametrize("way", WAYS_UP)
def test_push(way: str, hub: HubServer, kill: Kill, tmp_path: Path) -> None:
    student, other = tmp_path / "student", tmp_path / "other"
    for seed, folder in enumerate((student, other)):  # what the Hub has already is not sent again
        TimmModel.create("test_resnet", ("blue", "red"), seed=seed).save(folder)
        (folder / "README.md").write_text("---\nlicense: mit\n---\n# A student\n")
        (folder / "evidence").mkdir()
        images = torch.full((16 << 20,), seed, dtype=torch.uint8)  # more than a socket buffers
        save_file({"images": images}, folder / "evidence" / "images.safetensors")
    store = {
        "xet": [
            (f"^GET /api/models/{STUDENT}/xet-write-token", SLOW),
            *(("^POST /cas/.*/v1/xorbs/", x) for x in (0, SLOW)),
        ],
        "lfs": [(f"^POST /{STUDENT}.git/info/lfs/objects/batch", SLOW), *(("^PUT /lfs-upload/", x) for x in (0, SLOW))],
    }
    codes = kill(
        ["push", str(student), STUDENT],
        ["push", str(other), "alice/other"],
        [
            (f"^GET /api/models/{STUDENT}", 0.0),
            ("^POST /api/repos/create", SLOW),
            (f"^POST /api/models/{STUDENT}/preupload/", 0.0),
            *store[way],
            (f"^POST /api/models/{STUDENT}/commit/main", SLOW),
        ],
    )
    assert set(codes) <= {3, 0}  # 3: the commit of the last one that was killed came in between
    made, first = hub.commits(STUDENT)
    assert first.tree.keys() <= {".gitattributes"}
    files = hub.files(STUDENT)
    assert contents(student).items() <= files.items()
    assert made.tree.keys() == contents(student).keys() | first.tree.keys()
