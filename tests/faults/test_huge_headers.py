"""Headers and indexes of safetensors that are far larger than any model's: refused soon, whatever they hold."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hubslice.ancestry.similarity import partners
from hubslice.files import tensor_header
from hubslice.files.tensor_header import MOST_TENSORS, HeaderError, parse_text
from hubslice.models.timm_adapter import TimmModel
from tests.fake_hub import HubServer
from tests.faults.conftest import Refused

TENSOR = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


def weights(header: bytes, size: int) -> bytes:
    return len(header).to_bytes(8, "little") + header + bytes(size)


def many(count: int, name: str = "layer.{}.weight") -> bytes:
    """A file of so many tensors of one value."""
    tensors = {name.format(n): TENSOR | {"data_offsets": [4 * n, 4 * n + 4]} for n in range(count)}
    return weights(json.dumps(tensors).encode(), 4 * count)


def doubled(count: int) -> bytes:
    """Whose last tensor is named twice."""
    end = json.dumps({f"layer.{count - 1}.weight": TENSOR}).encode()
    file = many(count)
    length = int.from_bytes(file[:8], "little")
    return weights(file[8 : 8 + length - 1] + b", " + end[1:], 4 * count)


FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "tensors": (lambda: many(2 * MOST_TENSORS), "it has 200,000 tensors; a file may have 100,000"),
    "twice": (lambda: doubled(MOST_TENSORS - 1), "its header names 'layer.99998.weight' twice"),
    "tensors under other keys": (
        lambda: weights(json.dumps({f"t{n}": 0 for n in range(MOST_TENSORS + 1)}).encode(), 0),
        "it has 100,001 tensors",
    ),
    "lists": (
        lambda: weights(b'{"a": [' + b"[]," * 5_000_000 + b"[]]}", 0),
        "its header has more than 2,000,000 values",
    ),
    "numbers": (
        lambda: weights(b'{"a": [' + b"1," * 5_000_000 + b"1]}", 0),
        "its header has more than 2,000,000 values",
    ),
    "digits": (lambda: weights(b'{"a": ' + b"1" * 1_000_000 + b"}", 0), "its header is not JSON (ValueError)"),
    "nested": (
        lambda: weights(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 0),
        "its header is not JSON (RecursionError)",
    ),
    "name": (
        lambda: weights(json.dumps({"a" * 1_000_000: TENSOR}).encode(), 4),
        "has a name of 1,000,000 characters, more than 1,000",
    ),
    "overlapping": (
        lambda: weights(json.dumps({"a": TENSOR, "b": TENSOR}).encode(), 4),
        "tensor 'b' overlaps the one before it",
    ),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    TimmModel.create("test_resnet", ("cat", "dog", "owl"), seed=0).save(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_header_is_refused_soon(name: str) -> None:
    make, says = FILES[name]
    file = make()
    length = int.from_bytes(file[:8], "little")
    started = time.process_time()
    with pytest.raises(HeaderError) as caught:
        parse_text(file[8 : 8 + length], len(file) - 8 - length)
    assert time.process_time() - started < 5
    assert says in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tensors", "twice", "lists"])
def test_commands_refuse_it(name: str, model: Path, tmp_path: Path, refused: Refused) -> None:
    make, says = FILES[name]
    huge = tmp_path / "huge"
    huge.mkdir()
    (huge / "config.json").write_bytes((model / "config.json").read_bytes())
    (huge / "model.safetensors").write_bytes(make())
    for command in (
        ("pull", str(huge), "--out", str(tmp_path / "out")),
        ("convert", str(huge), "--to", "onnx", "--out", str(tmp_path / "converted")),
        ("lineage", str(huge), "--candidates", str(model)),
    ):
        refused(*command, code=2, says=("model.safetensors is damaged or not safetensors", says, "hint: "))


def test_a_repository_with_such_a_header(
    model: Path, tmp_path: Path, hub: HubServer, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensor_header, "MOST_TENSORS", 50)
    config = (model / "config.json").read_bytes()
    hub.seed("a/many", {"config.json": config, "model.safetensors": many(51)})
    refused("pull", "a/many", "--out", str(tmp_path / "out"), code=2, says=("a/many", "it has 51 tensors"))


def index(shards: int) -> dict[str, Any]:
    return {"weight_map": {f"t{n}": f"model-{n:06d}-of-{shards:06d}.safetensors" for n in range(shards)}}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (json.dumps(index(5000)), "names 5,000 shards, more than 4,096"),
        (json.dumps({"weight_map": {"t": 1}}) + " " * (1 << 25), "bytes, more than an index needs"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "is not an index of shards (RecursionError"),
    ],
    ids=["shards", "bytes", "nested"],
)
def test_an_index_of_too_much(content: str, says: str, model: Path, tmp_path: Path, refused: Refused) -> None:
    folder = tmp_path / "sharded"
    folder.mkdir()
    (folder / "config.json").write_bytes((model / "config.json").read_bytes())
    (folder / "model.safetensors.index.json").write_text(content)
    refused("pull", str(folder), "--out", str(tmp_path / "out"), code=2, says=(says, "hint: mend the index"))


@pytest.mark.parametrize("library", ["timm", "transformers"])
def test_tensors_that_no_model_has_are_not_loaded(
    library: str, model: Path, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Libraries would rename each before they complain."""
    folder = tmp_path / "many"
    folder.mkdir()
    sizes = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "hidden_size": 16}
    vit = sizes | {"architectures": ["ViTForImageClassification"], "model_type": "vit", "image_size": 32}
    config = (model / "config.json").read_text() if library == "timm" else json.dumps(vit | {"patch_size": 8})
    (folder / "config.json").write_text(config)
    (folder / "model.safetensors").write_bytes(many(20_000, "layer.{}.weight"))
    for loads in ("timm.models._builder.load_pretrained", "transformers.PreTrainedModel.from_pretrained"):
        monkeypatch.setattr(loads, lambda *_, **__: pytest.fail("the tensors are loaded"))
    monkeypatch.setattr("hubslice.models.weights._MOST_PER_TENSOR", 10)
    refused(
        "convert",
        str(folder),
        "--to",
        "onnx",
        "--out",
        str(tmp_path / "out"),
        code=2,
        says=("20000 tensors unexpected",),
    )


def test_of_very_many_layers_each_finds_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    layers = [rng.normal(size=(8, 16)).astype(np.float32) for _ in range(50)]
    expected = sorted((at, to) for at, to, _ in partners(layers, layers))
    monkeypatch.setattr("hubslice.ancestry.similarity._MOST", 8)
    assert sorted((at, to) for at, to, _ in partners(layers, layers)) == expected == [(n, n) for n in range(50)]
    assert len(partners(layers, layers[:3])) == 3
