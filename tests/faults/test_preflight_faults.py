"""Teachers that will not do, told by a dry run before a byte of their weights has moved."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from safetensors.torch import load_file, save_file

from hubslice.hub.client import Client
from hubslice.models.timm_adapter import TimmModel
from tests.cli.conftest import Hubslice
from tests.faults.conftest import Refused
from tests.hub import Fault, HubServer, User
from tests.hub.wire import Request
from tests.pictures import COLOURS
from tests.pipeline.tiny import RECIPE, write_job

TEACHER = "alice/teacher"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """The Hub that commands of this process talk to."""
    with HubServer(tmp_path / "hub", {"hf_alice": User("alice")}) as server:
        # What a client is not told comes from the environment, which huggingface_hub reads once, at import.
        monkeypatch.setattr(Client.__init__, "__defaults__", (server.url, None, tmp_path / "cache"))
        monkeypatch.setattr("hubslice.hub.session._PATIENCE", (0.0, 0.0))
        monkeypatch.chdir(tmp_path)
        yield server


@pytest.fixture
def moved(hub: HubServer) -> list[tuple[str, str]]:
    """File and range of each request for a file that holds weights."""
    seen: list[tuple[str, str]] = []

    def note(request: Request) -> bool:
        name = request.path.rpartition("/")[2]
        if request.method == "GET" and "/resolve/" in request.path and name.endswith((".safetensors", ".bin")):
            seen.append((name, request.headers.get("Range", "")))
        return False  # not a fault

    hub.faults.append(Fault(note))
    return seen


Change = Callable[[Path], None]


def tensors(change: Callable[[dict], None]) -> Change:  # type: ignore[type-arg]
    """A change of the weights."""

    def apply(folder: Path) -> None:
        held = load_file(folder / "model.safetensors")
        change(held)
        save_file(held, folder / "model.safetensors")

    return apply


def config(**changes: object) -> Change:
    """A change of config.json."""

    def apply(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return apply


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


FAULTS: dict[str, tuple[Change, tuple[str, ...]]] = {
    "missing": (
        tensors(lambda held: held.pop("conv1.0.weight")),
        (TEACHER, "conv1.0.weight", "1 tensor missing", "choose another revision"),
    ),
    "unexpected": (tensors(lambda held: held.update(extra=held["fc.bias"].clone())), (TEACHER, "extra")),
    "misshapen": (
        tensors(lambda held: held.update({"fc.weight": held["fc.weight"][:, :5].clone()})),
        (TEACHER, "fc.weight", "[3, 5]"),
    ),
    "unknown architecture": (
        config(architecture="resnet_of_tomorrow"),
        ("no architecture 'resnet_of_tomorrow'", "upgrade timm"),
    ),
    "absurd config": (
        config(model_args={"channels": [10**6, 10**6, 10**6, 10**6]}),
        (TEACHER, "describes a model of more than"),
    ),
    "cut file": (cut, ("model.safetensors is damaged or not safetensors", "but the file holds", "download")),
    "custom code": (config(auto_map={"AutoModel": "x.Y"}), ("auto_map", "runs no code from model repositories")),
    "pickle": (pickled, ("pytorch_model.bin", "pickle", "safetensors/convert")),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_teacher_that_will_not_do(
    name: str, hub: HubServer, moved: list[tuple[str, str]], refused: Refused, tmp_path: Path
) -> None:
    change, says = FAULTS[name]
    job = write_job(tmp_path / "job", RECIPE.replace("{model: ./teacher,", f"{{model: {TEACHER},"))
    change(job.parent / "teacher")
    hub.seed(TEACHER, job.parent / "teacher")
    before = psutil.Process().memory_info().rss
    refused("pull", TEACHER, "--dry-run", code=2, says=says)
    refused("slice", str(job), "--dry-run", "--out", str(tmp_path / "run"), code=2, says=says)
    assert psutil.Process().memory_info().rss - before < 1 << 29
    assert set(moved) <= {("model.safetensors", "bytes=0-99999")}  # 1.5 MB would be the whole
    assert not list((tmp_path / "cache").rglob("model.safetensors"))
    assert not (tmp_path / "run").exists()


def test_a_gated_teacher(hub: HubServer, moved: list[tuple[str, str]], refused: Refused, tmp_path: Path) -> None:
    TimmModel.create("test_resnet", tuple(COLOURS), seed=1).save(tmp_path / "teacher")
    hub.seed(TEACHER, tmp_path / "teacher")
    with hub.store.edit("models", TEACHER) as repo:
        repo.gated = "manual"
    refused("pull", TEACHER, "--dry-run", code=3, says=("is gated", f"accept the conditions at {hub.url}/{TEACHER}"))
    assert moved == []


@pytest.mark.slow
def test_layers_that_do_not_exist(refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = write_job(tmp_path)
    monkeypatch.chdir(tmp_path)
    refused(
        "slice",
        str(job),
        "--dry-run",
        "slice.layers=[conv, 'decoder.*']",
        code=2,
        says=("'decoder.*' matches no layer", "patterns over names such as conv1"),
    )
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_model_that_does_not_export(refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch import Tensor

    TimmModel.create("test_resnet", tuple(COLOURS), seed=1).save(tmp_path / "teacher")

    def forward(self: object, inputs: Tensor) -> Tensor:
        return self.layer4(inputs) if inputs.sum() > 0 else inputs  # type: ignore[attr-defined]

    monkeypatch.setattr("timm.models.resnet.ResNet.forward", forward)
    refused(
        "pull",
        str(tmp_path / "teacher"),
        "--dry-run",
        code=2,
        says=("ResNet cannot be exported to ONNX", "branches on the values of tensors"),
    )


@pytest.mark.slow
def test_a_good_teacher_is_told_in_full(
    hub: HubServer, moved: list[tuple[str, str]], hubslice: Hubslice, tmp_path: Path
) -> None:
    TimmModel.create("test_resnet", tuple(COLOURS), seed=1).save(tmp_path / "teacher")
    (tmp_path / "teacher" / "README.md").write_text("---\nlicense: other\n---\n")
    hub.seed(TEACHER, tmp_path / "teacher")
    human = hubslice("pull", TEACHER, "--dry-run")
    assert human.code == 0
    told = " ".join(human.stdout.split())
    for phrase in ("license other", "test_resnet (timm), 372,979 parameters", "weights in 15 layers", "export works"):
        assert phrase in told
    assert "fc.weight F32 3 x 96 1,152" in told
    assert "has a license of its own (other)" in human.stderr
    found = json.loads(hubslice("pull", TEACHER, "--dry-run", "--json").stdout)
    weights = (tmp_path / "teacher" / "model.safetensors").stat().st_size
    assert found["teacher"]["download_bytes"] == weights
    assert sum(tensor["bytes"] for tensor in found["teacher"]["tensors"]) < weights
    assert found["layers"]["layers"] == 15
    assert moved == [("model.safetensors", "bytes=0-99999")] * 2
