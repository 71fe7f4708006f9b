"""Names and places of a model's files: hostile names, links, pipes, folders."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hubslice.files.config import read_object
from hubslice.hub.pull import fetch
from hubslice.hub.ref import HubRef, parse_ref
from tests.fake_hub import Fault, HubServer, on
from tests.faults.conftest import Refused
from tests.hub.conftest import model, write

HOSTILE = ["../x.safetensors", "/etc/x.safetensors", "a/../../x.safetensors", "..\\x.safetensors", "C:x.safetensors"]
HOSTILE += ["x\0y.safetensors", "//host/x.safetensors", "./x.safetensors"]


@pytest.mark.parametrize("name", HOSTILE)
def test_listed_outside(name: str, hub: HubServer, tmp_path: Path, refused: Refused) -> None:
    commit = hub.seed("alice/teacher", model())
    siblings = [{"rfilename": path, "size": 1, "blobId": "0" * 40} for path in (*model(), name)]
    body = json.dumps({"id": "alice/teacher", "sha": commit.oid, "siblings": siblings}).encode()
    hub.faults.append(Fault(on("GET", "/api/models/alice/teacher"), body=body))
    says = ("lists a file", "which would lie outside the repository", "hint: do not use this repository")
    refused("pull", "alice/teacher", "--out", str(tmp_path / "out"), code=3, says=says)


def test_odd_names_beside_the_model_are_left_alone(hub: HubServer) -> None:
    hub.seed("alice/teacher", model() | {"aux.txt": b"x", "runs/10:30/log": b"x", "CON.json": b"x"})
    fetched = fetch(HubRef("", "alice/teacher"))
    assert {fact.path for fact in fetched.files} == model().keys()


@pytest.mark.parametrize(
    "name", [*HOSTILE, "aux.safetensors", "COM1.safetensors", ".hidden.safetensors", "x.bin", "x y"]
)
def test_indexed_outside(name: str, tmp_path: Path, refused: Refused) -> None:
    files = {path: content for path, content in model().items() if path != "model.safetensors"}
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": name}}
    write(tmp_path / "model", files | {"model.safetensors.index.json": json.dumps(index).encode()})
    said = "which would lie outside the folder" if name in HOSTILE else "cannot be a .safetensors file of the model"
    says = ("model.safetensors.index.json names", said, "into the index" if name in HOSTILE else "mend the index")
    refused(
        "pull", str(tmp_path / "model"), "--out", str(tmp_path / "out"), code=2, says=(*says, "save the model again")
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_indexed_outside_a_repository(name: str, hub: HubServer, tmp_path: Path, refused: Refused) -> None:
    files = {path: content for path, content in model().items() if path != "model.safetensors"}
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": name}}
    hub.seed("alice/teacher", files | {"model.safetensors.index.json": json.dumps(index).encode()})
    says = ("outside the repository", "hint: do not use this repository")
    refused("pull", "alice/teacher", "--out", str(tmp_path / "out"), code=3, says=says)


def test_a_local_folder_that_lacks_a_shard(tmp_path: Path, refused: Refused) -> None:
    files = {path: content for path, content in model().items() if path != "model.safetensors"}
    index = {"weight_map": {"a": "model-00001-of-00001.safetensors"}}
    write(tmp_path / "model", files | {"model.safetensors.index.json": json.dumps(index).encode()})
    says = ("lacks 1 of the 1 shards", "hint: put them into the folder, or save the model again")
    refused("pull", str(tmp_path / "model"), "--out", str(tmp_path / "out"), code=2, says=says)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "loop", "nowhere"])
def test_no_file_of_that_name(kind: str, name: str, tmp_path: Path, refused: Refused) -> None:
    folder = write(tmp_path / "model", model())
    path = folder / name
    path.unlink()
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "loop":
            path.symlink_to(path)
        case "nowhere":
            path.symlink_to(tmp_path / "nothing")
    told = {"pipe": "a pipe or device", "folder": "a folder", "loop": "a link", "nowhere": "a link that leads nowhere"}
    says = (f"{path} is not a file but {told[kind]}", "hint: put the model's file in its place")
    refused("pull", str(folder), "--out", str(tmp_path / "out"), code=2, says=says)


def test_links_are_followed(tmp_path: Path) -> None:
    """A cached snapshot is made of links out of its folder; so may be what the user arranges on their own machine."""
    store = write(tmp_path / "blobs", model())
    snapshot = tmp_path / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    for path in store.iterdir():
        (snapshot / path.name).symlink_to(Path("../../blobs") / path.name)
    (snapshot / "round").symlink_to(snapshot, target_is_directory=True)
    fetched = fetch(parse_ref(str(snapshot), tmp_path))
    assert {fact.path for fact in fetched.files} == model().keys()
    assert read_object(snapshot / "config.json", "it")["num_classes"] == 2
