"""Every file has the permissions that the user's umask gives to new files: weights as well as their neighbours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubslice.models.transformers_adapter import TransformersModel
from tests.fake_hub import HubServer
from tests.faults.hub_setup import hub, impatient, never_seen, teacher
from tests.run.quick import QUICK
from tests.run.tiny import write_job
from tests.terminal.conftest import Hubslice

pytestmark = pytest.mark.slow

__all__ = ["hub", "impatient", "never_seen", "teacher"]


@pytest.fixture(params=[0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def others(folder: Path, umask: int) -> dict[str, str]:
    """Files and folders with other permissions than new ones have, and these permissions."""
    found = {}
    for path in folder.rglob("*"):
        mode = path.stat().st_mode & 0o777
        if mode != (0o777 if path.is_dir() else 0o666) & ~umask:
            found[path.relative_to(folder).as_posix()] = oct(mode)
    return found


def test_a_run_and_its_student(umask: int, tmp_path: Path, hubslice: Hubslice) -> None:
    recipe = write_job(tmp_path / "job", QUICK)
    done = hubslice("slice", str(recipe), "--out", str(tmp_path / "run"))
    assert done.code == 0, done.stderr
    student = tmp_path / "run" / "student"
    assert {"model.safetensors", "README.md"} <= {path.name for path in student.iterdir()}
    assert others(tmp_path / "run", umask) == {}
    assert others(tmp_path / "job", umask) == {}  # the teacher, as `Model.save` writes it


def test_a_pulled_model(umask: int, tmp_path: Path, hub: HubServer, hubslice: Hubslice) -> None:
    done = hubslice("pull", "alice/teacher", "--out", str(tmp_path / "pulled"))
    assert done.code == 0, done.stderr
    weights = "steps/pull/model/model.safetensors"  # a link into huggingface_hub's cache, which nobody shall write to
    assert others(tmp_path / "pulled", umask) == {weights: oct(0o444 & ~umask)}


def test_a_pulled_folder_of_ones_own(umask: int, tmp_path: Path, hubslice: Hubslice) -> None:
    write_job(tmp_path / "job", QUICK)
    theirs = tmp_path / "job" / "teacher"
    weights = theirs / "model.safetensors"
    weights.chmod(0o600)
    done = hubslice("pull", str(theirs), "--out", str(tmp_path / "pulled"))
    assert done.code == 0, done.stderr
    assert others(tmp_path / "pulled", umask) == {}
    held, before = tmp_path / "pulled/steps/pull/model/model.safetensors", weights.read_bytes()
    with weights.open("r+b") as file:  # in place
        file.seek(-1, os.SEEK_END)
        file.write(bytes([before[-1] ^ 1]))
    assert held.read_bytes() == before


SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
CONVERTED = {
    "onnx": (),
    "fp16": (),
    "int8": ("--dynamic", "--min-agreement", "0"),
}


@pytest.mark.parametrize("form", CONVERTED)
def test_converted_graphs(
    form: str, umask: int, tmp_path: Path, hubslice: Hubslice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUBSLICE_CACHE", str(tmp_path / "cache"))
    TransformersModel.from_architecture("vit", ("blue", "red"), 32, seed=1, patch_size=8, **SMALL).save("model")
    done = hubslice("convert", "model", "--to", form, *CONVERTED[form], "--out", "made")
    assert done.code == 0, done.stderr
    assert others(tmp_path, umask) == {}
