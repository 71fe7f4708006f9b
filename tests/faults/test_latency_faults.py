"""Models that cannot be measured, or not beside each other: told before anything takes long."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper

import hubslice
from hubslice.core.errors import ModelError
from hubslice.models.timm_adapter import TimmModel
from tests.fake_hub import HubServer
from tests.faults.conftest import Refused
from tests.verbs.latency.graphs import convolution, write

pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    convolution(Path("free.onnx"), ("batch", 3, "height", "width"))
    convolution(Path("one.onnx"), (1, 3, 16, 16))
    convolution(Path("wide.onnx"), ("batch", 3, 32, 32))
    convolution(Path("vast.onnx"), (1, 3, 16, 2**62))
    Path("damaged.onnx").write_bytes(Path("one.onnx").read_bytes()[:100])
    add = helper.make_node("Add", ["a", "b"], ["y"])
    images = ("n", 3, 8, 8)
    write(Path("two.onnx"), [add], [(n, TensorProto.FLOAT, images) for n in "ab"], ("y", images))
    cast = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)
    write(Path("words.onnx"), [cast], [("x", TensorProto.INT64, ("n", 12))], ("y", ("n", 12)))
    fold = helper.make_node("Reshape", ["x", "to"], ["y"])
    to = onnx.numpy_helper.from_array(torch.tensor([16, -1]).numpy(), "to")
    write(Path("stiff.onnx"), [fold], [("x", TensorProto.FLOAT, ("n", 3, 7, 7))], ("y", (16, "m")), [to])
    Path("empty").mkdir()
    Path("run/student").mkdir(parents=True)
    return tmp_path


FAULTS = {
    "nowhere": (("nowhere",), ("nowhere is neither a local model nor a Hub id", "./nowhere")),
    "a folder of nothing": (("./empty",), ("neither config.json nor student/",)),
    "a run without a student": (("run",), ("run/student has no model.safetensors", "saved as safetensors")),
    "damaged": (("damaged.onnx",), ("damaged.onnx cannot be opened by ONNX Runtime", "export it again")),
    "two inputs": (("two.onnx",), ("two.onnx takes 2 inputs (a, b)", "one input of images")),
    "no images": (("words.onnx",), ("words.onnx takes no images: its input is a tensor(int64) of ? x 12",)),
    "a side of no image": (("vast.onnx",), ("vast.onnx takes inputs of 1 x 3 x 16 x 4611686018427387904", "damaged")),
    "any size": (("free.onnx",), ("free.onnx takes images of any size", "--input-size PIXELS")),
    "other images": (
        ("one.onnx", "wide.onnx"),
        ("wide.onnx takes images of 3 x 32 x 32, one.onnx of 3 x 16 x 16: their times cannot be compared",),
    ),
    "another size": (
        ("one.onnx", "--input-size", "32"),
        ("one.onnx takes images of 3 x 16 x 16, --input-size of ? x 32 x 32", "give --input-size PIXELS"),
    ),
    "fixed batch": (("one.onnx",), ("one.onnx takes batches of 1 only, not of 16", "--batch 1")),
    "impossible batch": (
        ("stiff.onnx", "--batch", "3"),
        ("stiff.onnx cannot be run on a batch of 3 x 3 x 7 x 7", "smaller batches with --batch"),
    ),
    "device": (("one.onnx", "--device", "gpu"), ("'gpu' is not a device",)),
}


@pytest.mark.parametrize(("arguments", "says"), FAULTS.values(), ids=FAULTS)
def test_what_cannot_be_measured(
    place: Path, refused: Refused, arguments: tuple[str, ...], says: tuple[str, ...]
) -> None:
    before = sorted(place.rglob("*"))
    refused("latency", *arguments, code=2, says=says)
    assert sorted(place.rglob("*")) == before


def test_a_model_that_the_hub_does_not_have(place: Path, hub: HubServer, refused: Refused) -> None:
    refused("latency", "one.onnx", "owner/none", code=3, says=("owner/none",))


@pytest.mark.parametrize("option", [("--batch", "0"), ("--threads", "0"), ("--rounds", "1")])
def test_numbers_that_make_no_sense(place: Path, refused: Refused, option: tuple[str, str]) -> None:
    refused("latency", "one.onnx", *option, code=2, says=(option[0],))


def test_a_model_of_another_input_is_told_before_anything_is_exported(
    place: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    TimmModel.create("test_resnet", ("a", "b"), seed=0).save(place / "model")
    monkeypatch.setattr("hubslice.graph.deployable.write_onnx", pytest.fail)
    says = ("one.onnx takes images of 3 x 16 x 16, ./model of 3 x 160 x 160", "--input-size")
    refused("latency", "./model", "one.onnx", code=2, says=says)


def test_memory_of_a_process_that_is_ended(place: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubslice.verbs.latency.memory.sys.executable", str(_killed(place / "python")))
    says = ("the process that ran one.onnx at a batch of 1 was ended (signal 9)", "--no-memory")
    refused("latency", "one.onnx", "--batch", "1", "--rounds", "5", code=2, says=says)


def _killed(path: Path) -> Path:
    path.write_text("#!/bin/sh\nkill -9 $$\n")
    path.chmod(0o755)
    return path


def test_onnx_runtime_prints_nothing_of_a_graph(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It would print names out of the file as they are, and colours, beside the error that it raises."""
    graph = onnx.load("one.onnx")
    graph.graph.initializer[0].raw_data = b"xy"
    onnx.save(graph, "short.onnx")
    with pytest.raises(ModelError, match=r"short\.onnx cannot be opened by ONNX Runtime"):
        hubslice.latency(["short.onnx"], memory=False)
    assert capfd.readouterr() == ("", "")
