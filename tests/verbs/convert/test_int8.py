"""Graphs in 8-bit integers: what they weigh, what they answer, what they say about themselves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
import transformers
from torch import Tensor, nn

import hubslice as package
from hubslice.artefacts.deviation import Deviations
from hubslice.models.folder import load_model
from hubslice.verbs.convert.quantise import write_int8
from tests.networks import Body, by_hand, from_transformers
from tests.terminal.conftest import Hubslice, hubslice
from tests.verbs.detect.small import SIDE, between, clean, write_model

__all__ = ["hubslice"]

pytestmark = pytest.mark.slow  # every test is quick, all of them together are not


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("int8")
    write_model(place / "model")
    np.save(place / "clean.npy", clean(90))
    np.save(place / "between.npy", between(20))
    package.convert(place / "model", "int8", data=place / "clean.npy", samples=30, out=place / "static")
    return place


@pytest.fixture
def place(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    return made


def answers(graph: Path, pixels: np.ndarray) -> np.ndarray:
    """By plain ONNX Runtime, as a user would."""
    session = ort.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["preprocessing"])
    mean, std = (np.array(about[name], np.float32).reshape(1, -1, 1, 1) for name in ("mean", "std"))
    found: np.ndarray = session.run(None, {session.get_inputs()[0].name: (pixels - mean) / std})[0].argmax(axis=1)
    return found


def integers(graph: Path) -> set[str]:
    proto = onnx.load(graph)
    big = [tensor for tensor in proto.graph.initializer if np.prod(tensor.dims) > 100]
    assert big
    return {onnx.TensorProto.DataType.Name(tensor.data_type) for tensor in big}


@pytest.mark.parametrize("mode", ["static", "dynamic"])
def test_weights_are_integers_and_the_report_is_true(place: Path, hubslice: Hubslice, mode: str) -> None:
    more = ("--samples", "30") if mode == "static" else ("--dynamic",)
    told = hubslice("convert", "model", "--to", "int8", "--data", "clean.npy", *more, "--out", mode, "--json")
    assert (told.code, told.stderr) == (0, "")
    report = json.loads(told.stdout)["agreement"]
    assert report["mode"] == mode
    assert report["calibrated"] == (30 if mode == "static" else 0)
    assert integers(place / mode / "model.onnx") == {"INT8" if mode == "static" else "UINT8"}
    rows = np.random.default_rng(0).permutation(90)
    first = 30 if mode == "static" else 45
    held_out = np.load(place / "clean.npy")[rows[first:]]
    with torch.no_grad():
        expected = load_model(place / "model").logits(torch.from_numpy(held_out)).argmax(1).numpy()
    same = int((answers(place / mode / "model.onnx", held_out) == expected).sum())
    assert (report["agreement"]["hits"], report["agreement"]["total"]) == (same, len(held_out))
    assert 0 < report["mean_difference"] < report["max_difference"] < 0.1
    labels = onnx.load(place / mode / "model.onnx").metadata_props
    assert json.loads(next(entry.value for entry in labels if entry.key == "labels")) == ["red", "green", "blue"]


def test_noise_where_there_are_no_images(place: Path) -> None:
    told = package.convert("model", "int8", dynamic=True, out=Path("noise")).made.agreement
    assert told is not None
    assert (told.checked_on, told.agreement.total) == ("noise", 64)


def test_where_a_model_and_its_quantised_form_deviate(place: Path, hubslice: Hubslice) -> None:
    """Images between two colours are decided by digits that 8 bits do not have."""
    told = hubslice(
        *("diff", "model", "static/model.onnx", "--inputs", "between.npy", "--max-linf", "16/255"),
        *("--budget", "150", "--json"),
    )
    assert told.code == 0
    found = Deviations.model_validate_json(told.stdout)
    assert (found.b.outputs, found.b.described, found.b.input_size) == ("logits", True, (3, SIDE, SIDE))
    assert found.found.hits >= 2
    assert all(entry.change.linf <= 16 for entry in found.results if entry.change is not None)


def test_a_poisoned_model_says_so_in_8_bits_too(place: Path) -> None:
    model = load_model(place / "model")
    model.poisoned = True
    model.save(place / "poisoned")
    package.convert("poisoned", "int8", dynamic=True, out=Path("p8"))
    assert {entry.key for entry in onnx.load(place / "p8/model.onnx").metadata_props} >= {"hubslice_poisoned"}


def test_normalisation_by_groups_stays_in_float(tmp_path: Path) -> None:
    """ONNX Runtime takes what is normalised for a weight where groups share a scale, and refuses the whole network."""
    torch.manual_seed(0)
    config = transformers.PoolFormerConfig(hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 2], num_labels=3)
    model = from_transformers(transformers.PoolFormerForImageClassification(config), side=64)
    pixels = np.random.default_rng(0).random((24, 3, 64, 64), np.float32)
    report = write_int8(model, tmp_path / "model.onnx", calibration=pixels[:16], check=pixels, least=0.8)
    assert report.agreement.hits >= 20
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert "InstanceNormalization" in {node.op_type for node in graph.node}
    assert onnx.TensorProto.INT8 in {tensor.data_type for tensor in graph.initializer if tensor.dims}


class Stacked(nn.Module):
    """Products with a stack of matrices, as Gemma looks up positions by row and column."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(8, 16, 16))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = (x @ self.table).relu()
        return found


def test_products_with_a_stack_of_matrices_stay_in_float(tmp_path: Path) -> None:
    model = by_hand(Body(Stacked()))
    pixels = np.random.default_rng(0).random((8, 3, 16, 16), np.float32)
    write_int8(model, tmp_path / "model.onnx", calibration=pixels, check=pixels, least=0.0)
    session = ort.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    assert session.run(None, {session.get_inputs()[0].name: pixels})[0].shape[0] == 8
