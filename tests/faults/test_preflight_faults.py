"""Teachers that will not do, told by a dry run before a byte of their weights has moved."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

from hubslice.core.errors import ModelError
from hubslice.hub.client import Client
from hubslice.hub.pull import fetch
from hubslice.hub.ref import parse_ref
from hubslice.models.timm_adapter import TimmModel
from hubslice.run.estimate.preflight import TeacherPreview, look
from tests.fake_hub import Fault, HubServer, User
from tests.fake_hub.wire import Request
from tests.faults.conftest import Refused
from tests.images import COLOURS
from tests.run.tiny import RECIPE, write_job
from tests.terminal.conftest import Hubslice

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
        by_xet = "/xorbs/" in request.path  # whole files, under another name
        weights = by_xet or ("/resolve/" in request.path and name.endswith((".safetensors", ".bin")))
        if request.method == "GET" and weights:
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


@pytest.mark.slow
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


def test_pickles_are_known_by_their_sizes_until_they_are_here(
    hub: HubServer, moved: list[tuple[str, str]], tmp_path: Path
) -> None:
    """With consent; where they are known, their tensors must fit as any."""
    job = write_job(tmp_path / "job")
    folder = job.parent / "teacher"
    held = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save({"state_dict": held, "epoch": 3}, folder / "pytorch_model.bin")
    size = (folder / "pytorch_model.bin").stat().st_size
    hub.seed(TEACHER, folder)

    def seen(model: str = TEACHER) -> TeacherPreview:
        return look(model, tmp_path, 64, tmp_path / "seen", allow_pickle=True)

    far = seen()
    assert (far.tensors, far.pickles) == ((), ("pytorch_model.bin",))
    assert (far.files["pytorch_model.bin"], far.download_bytes) == (size, size)
    assert (far.architecture, far.parameters, far.classes) == ("test_resnet", 372_979, 3)
    assert moved == []
    fetch(parse_ref(TEACHER, tmp_path), allow_pickle=True)
    moved.clear()
    near = seen()
    assert {tensor.name: tensor.shape for tensor in near.tensors} == {name: held[name].shape for name in held}
    assert {tensor.dtype for tensor in near.tensors} == {"F32", "I64"}
    assert (near.files, near.download_bytes, near.parameters) == (far.files, 0, far.parameters)
    assert seen(str(folder)).tensors == near.tensors
    assert moved == []
    held.pop("fc.bias")
    torch.save(held, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"are not those of test_resnet: 1 tensor missing \(fc\.bias\)"):
        seen(str(folder))


def test_a_pickle_is_too_small_for_its_config(hub: HubServer, tmp_path: Path, refused: Refused) -> None:
    folder = write_job(tmp_path / "job").parent / "teacher"
    pickled(folder)
    config(model_args={"channels": [10**4, 10**4, 10**4, 10**4]})(folder)
    hub.seed(TEACHER, folder)
    refused("pull", TEACHER, "--dry-run", "--allow-pickle", code=2, says=("describes a model of more than", "bytes of"))


def test_pickles_of_transformers(hub: HubServer, tmp_path: Path) -> None:
    folder = tmp_path / "vit"
    shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    vit = ViTForImageClassification(ViTConfig(**shape, image_size=32, patch_size=16))
    vit.config.architectures = ["ViTForImageClassification"]
    vit.config.save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    parts = {f"pytorch_model-0000{n}-of-00002.bin": {} for n in (1, 2)}
    for number, (name, tensor) in enumerate(vit.state_dict().items()):
        list(parts.values())[number % 2][name] = tensor
    for part, tensors in parts.items():
        torch.save(tensors, folder / part)
    index = {"weight_map": {name: part for part, tensors in parts.items() for name in tensors}}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    hub.seed(TEACHER, folder)
    far = look(TEACHER, tmp_path, None, tmp_path / "seen", allow_pickle=True)
    near = look(str(folder), tmp_path, None, tmp_path / "seen", allow_pickle=True)
    assert far.pickles == near.pickles == tuple(parts)
    assert far.files == near.files == {path.name: path.stat().st_size for path in folder.iterdir()}
    assert far.parameters == near.parameters == vit.num_parameters()
    assert {tensor.name for tensor in near.tensors} == vit.state_dict().keys()


@pytest.mark.slow
def test_consent_reaches_the_dry_run(
    hub: HubServer, moved: list[tuple[str, str]], hubslice: Hubslice, tmp_path: Path
) -> None:
    job = write_job(tmp_path / "job", RECIPE.replace("{model: ./teacher,", f"{{model: {TEACHER},"))
    folder = job.parent / "teacher"
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    hub.seed(TEACHER, folder)
    size = (folder / "pytorch_model.bin").stat().st_size
    for command in (("pull", TEACHER), ("slice", str(job), "--until", "pull", "--out", str(tmp_path / "run"))):
        done = hubslice(*command, "--dry-run", "--allow-pickle")
        told = " ".join(done.stdout.split())
        assert done.code == 0, done.stderr
        assert "tensors not known before the download: pytorch_model.bin" in told
        assert f"download {size / 2**20:.1f} MiB of {size / 2**20:.1f} MiB" in told
        assert f"the weights of {TEACHER} would be converted from a pickle" in " ".join(done.stderr.split())
        found = json.loads(hubslice(*command, "--dry-run", "--allow-pickle", "--json").stdout)
        teacher = found.get("teacher") or found["teachers"]["pull"]
        assert (teacher["download_bytes"], teacher["tensors"]) == (size, [])
    assert found["steps"][0]["bytes"] > size
    assert moved == []
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
    files = {path.name: path.read_bytes() for path in (tmp_path / "teacher").iterdir()}
    skipped = {"old/weights.pt": b"1234", "pytorch_model.bin": b"1234", "train.py": b"1234"}
    hub.seed(TEACHER, files | skipped)
    human = hubslice("pull", TEACHER, "--dry-run")
    assert human.code == 0
    told = " ".join(human.stdout.split())
    for phrase in ("license other", "test_resnet (timm), 372,979 parameters", "weights in 15 layers", "export works"):
        assert phrase in told
    assert "fc.weight" not in told
    assert human.stdout.splitlines()[-1].startswith("export ")  # the summary comes last
    assert "skipped\t1\t3.8e-6\tcode, which is never run\n" in human.stdout
    assert "skipped\t2\t7.6e-6\tpickle, which can run code\n" in human.stdout
    listed = hubslice("pull", TEACHER, "--dry-run", "--all").stdout
    assert "fc.weight\tF32\t3 x 96\t1152\n" in listed
    assert "train.py\t4\tskipped\tcode, which is never run\n" in listed
    assert f"config.json\t{(tmp_path / 'teacher' / 'config.json').stat().st_size}\tconfig\t\n" in listed
    assert listed.splitlines()[-1].startswith("export ")
    assert "has a license of its own (other)" in human.stderr
    found = json.loads(hubslice("pull", TEACHER, "--dry-run", "--json").stdout)
    weights = (tmp_path / "teacher" / "model.safetensors").stat().st_size
    assert found["teacher"]["download_bytes"] == weights
    assert sum(tensor["bytes"] for tensor in found["teacher"]["tensors"]) < weights
    assert skipped.keys() <= found["teacher"]["skipped"].keys()
    assert found["layers"]["layers"] == 15
    assert moved == [("model.safetensors", "bytes=0-99999")] * 3
