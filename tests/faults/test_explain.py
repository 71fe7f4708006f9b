"""What `hubslice explain` cannot explain: told with the cause, and nothing is written or lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from transformers import BertConfig, BertForSequenceClassification

from hubslice.tracing.trace import BatchTrace
from tests.faults.conftest import Refused
from tests.terminal.conftest import Hubslice
from tests.tracing.small import pixels, write_images, write_model

pytestmark = pytest.mark.slow  # every test is quick, all of them together are not

SIZE = (3, 32, 32)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models, graphs and inputs, good and bad; made once and copied."""
    place = tmp_path_factory.mktemp("explain")
    write_model(place / "model")
    write_images(place / "images")
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    text = BertConfig(vocab_size=20, max_position_embeddings=32, **sizes)
    BertForSequenceClassification(text).save_pretrained(place / "text")
    for shape in ("round", "square"):
        write_images(place / "shapes" / shape, 12)
    for shape in ("crane", "fox"):
        write_images(place / "cranes" / shape, 12)
    twins = shutil.copytree(place / "model", place / "twins") / "config.json"
    twins.write_text(
        json.dumps(json.loads(twins.read_text()) | {"label_names": ["crane, bird", "fox", "crane, machine"]})
    )
    (place / "empty").mkdir()
    (place / "notes").mkdir()
    (place / "notes/readme.txt").write_text("no images")
    (place / "torn").mkdir()
    (place / "torn/a.png").write_bytes((place / "images/0.png").read_bytes()[:90])
    Image.new("RGB", (400, 4)).save(place / "strip.png")
    (place / "words.npy").write_text("words")
    np.save(place / "good.npy", pixels(4))
    np.save(place / "small.npy", pixels(2, side=16))
    np.save(place / "grey.npy", pixels(2)[:, :1])
    np.save(place / "bytes.npy", (255 * pixels(2)).astype(np.uint8))
    np.save(place / "bright.npy", 255 * pixels(2))
    np.save(place / "nan.npy", np.full((1, *SIZE), np.nan, np.float32))
    write_graph(place / "odd.onnx", [helper.make_node("Einsum", ["f"], ["y"], equation="bc->bc", name="the_einsum")])
    write_graph(place / "huge.onnx", [helper.make_node("MatMul", ["f", "huge"], ["y"], name="explodes")])
    for at, name in enumerate(("plain.onnx", "other.onnx")):
        write_graph(place / name, [helper.make_node("MatMul", ["f", "v"], ["y"], name="answer")], seed=at)
    bare = onnx.load(place / "odd.onnx")
    del bare.metadata_props[:]
    onnx.save(bare, place / "bare.onnx")
    (place / "cut.onnx").write_bytes((place / "odd.onnx").read_bytes()[:60])
    (place / "busy").mkdir()
    (place / "busy/thesis.tex").write_text("years of work")
    return place


def write_graph(path: Path, last: list[onnx.NodeProto], seed: int = 0) -> None:
    """Flattened images times a matrix, then what is given, with the metadata that `convert` writes."""
    rng = np.random.default_rng(seed)
    weights = [
        numpy_helper.from_array(rng.standard_normal((3072, 4)).astype(np.float32), "w"),
        numpy_helper.from_array(rng.standard_normal((4, 2)).astype(np.float32), "v"),
        numpy_helper.from_array(np.full((4, 2), 3e38, np.float32), "huge"),
    ]
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"], name="flatten"),
        helper.make_node("MatMul", ["flat", "w"], ["f"], name="product"),
        *last,
    ]
    real = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", real, ["n", *SIZE])],
        [helper.make_tensor_value_info("y", real, None)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    prepared = '{"input_size": [3, 32, 32], "mean": [0], "std": [1], "interpolation": "bilinear", "crop_pct": 1, '
    about = {"labels": '["cat", "dog"]', "preprocessing": prepared + '"resize": "squash"}'}
    helper.set_model_props(model, about)
    onnx.save(model, path)


FAULTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "no inputs": (("model", "-i", "nowhere.png"), ("there is nothing at nowhere.png", "a folder of images")),
    "empty folder": (("model", "-i", "empty"), ("empty holds no images", "a parquet file")),
    "folder of text": (("model", "-i", "notes"), ("notes holds no images",)),
    "text": (("model", "-i", "notes/readme.txt"), ("notes/readme.txt cannot be read: not an image",)),
    "torn image": (("model", "-i", "torn"), ("torn/a.png cannot be read", "mend it or take it away")),
    "a strip": (("model", "-i", "strip.png"), ("too narrow: 400 x 4 pixels",)),
    "a model of text": (("text", "-i", "images"), ("BertForSequenceClassification is not an image model",)),
    "no array": (("model", "-i", "words.npy"), ("words.npy is not a NumPy array",)),
    "another size": (
        ("model", "-i", "small.npy"),
        ("small.npy holds an array of [2, 3, 16, 16]; the model takes pixels [N, 3, 32, 32]", "image files"),
    ),
    "other channels": (("model", "-i", "grey.npy"), ("an array of [2, 1, 32, 32]; the model takes pixels [N, 3, 32",)),
    "bytes": (("model", "-i", "bytes.npy"), ("values of uint8 that are not all numbers from 0 to 1", "by 255")),
    "bright": (("model", "-i", "bright.npy"), ("values of float32 that are not all numbers from 0 to 1",)),
    "no numbers": (("model", "-i", "nan.npy"), ("that are not all numbers from 0 to 1",)),
    "no such label": (
        ("model", "-i", "images", "--target", "gren"),
        ("the model has no label 'gren'; did you mean 'green'?", "its labels are blue, green, red", "from 0 to 2"),
    ),
    "several labels of a name": (
        ("twins", "-i", "images", "-t", "crane"),
        ("2 labels of the model are called 'crane'", "give the number of the one that is meant: 0, 2"),
    ),
    "attack with a name of several labels": (
        ("twins", "-i", "images", "--protect", "0.5", "--attack", "cranes"),
        ("cranes has images of 'crane', and 2 labels of the model are called so", "as the model does"),
    ),
    "label out of range": (("model", "-i", "images", "-t", "3"), ("the model has no label '3'",)),
    "empty data": (("model", "-i", "images", "--data", "empty"), ("empty holds no images",)),
    "no such profile": (
        ("model", "-i", "images", "--data", "x.safetensors"),
        ("there is nothing at x.safetensors", "or means.safetensors of an earlier call"),
    ),
    "weights as profile": (
        ("model", "-i", "images", "--data", "model/model.safetensors"),
        ("model.safetensors is a safetensors file but not a means of this version", "or images in its place"),
    ),
    "operator without a rule": (
        ("odd.onnx", "-i", "good.npy"),
        ("dynamic slicing has no rule for the operator Einsum (node the_einsum)", "hubslice/tracing/rules"),
    ),
    "not finite": (
        ("huge.onnx", "-i", "good.npy"),
        ("values that are not finite numbers", "the mean of y is not finite", "damaged"),
    ),
    "a bare graph": (
        ("bare.onnx", "-i", "good.npy"),
        ("bare.onnx does not say how images are prepared", "hubslice convert MODEL --to onnx"),
    ),
    "a cut graph": (("cut.onnx", "-i", "good.npy"), ("cut.onnx cannot be opened as an ONNX graph", "export it again")),
    "somebody's folder": (
        ("model", "-i", "images", "--out", "busy"),
        ("busy holds thesis.tex", "nothing there is replaced", "--out"),
    ),
    "a file as folder": (("model", "-i", "images", "--out", "good.npy"), ("good.npy is a file, not a folder",)),
    "theta": (("model", "-i", "images", "--theta", "1.5"), ("--theta",)),
    "protect": (
        ("model", "-i", "images", "--protect", "1.5"),
        ("Invalid value for '--protect'", "less than or equal to 1"),
    ),
    "public alone": (("model", "-i", "images", "--public"), ("what --protect withholds", "add --protect 0.5")),
    "attack alone": (
        ("model", "-i", "images", "--attack", "labelled.parquet"),
        ("--attack retrains the model without what --protect withholds", "add --protect 0.5"),
    ),
    "attack on a graph": (
        ("plain.onnx", "-i", "good.npy", "--protect", "0.5", "--attack", "labelled.parquet"),
        ("--attack trains a model, and", "is a graph"),
    ),
    "attack without images": (
        ("model", "-i", "images", "--protect", "0.5", "--attack", "labelled.parquet"),
        ("there is no data at 'labelled.parquet'", "an image folder or a data set's Hub id"),
    ),
    "attack with other labels": (
        ("model", "-i", "images", "--protect", "0.5", "--attack", "shapes"),
        ("has images of 'round', which the model does not know", "name the classes as the model does"),
    ),
    "public graph": (
        ("plain.onnx", "-i", "good.npy", "--protect", "0.5", "--public"),
        ("--public writes a model folder, and", "is a graph", "name the model that it was made of"),
    ),
    "workers": (("model", "-i", "images", "--workers", "0"), ("--workers",)),
    "device": (("model", "-i", "images", "--device", "tpu"), ("'tpu' is not a device",)),
}


@pytest.mark.parametrize(("arguments", "says"), FAULTS.values(), ids=FAULTS)
def test_what_cannot_be_explained(
    place: Path, refused: Refused, arguments: tuple[str, ...], says: tuple[str, ...]
) -> None:
    before = sorted(place.rglob("*"))
    refused("explain", *arguments, code=2, says=says)
    assert sorted(place.rglob("*")) == before


def never(*_: object) -> None:
    raise AssertionError("what is quickly judged comes first")


@pytest.mark.parametrize(
    "arguments",
    [
        ("-i", "nowhere.png"),
        ("-i", "images", "--data", "nowhere"),
        ("-i", "images", "--data", "nowhere.safetensors"),
    ],
    ids=" ".join,
)
def test_what_is_not_there_is_told_before_the_model_is_loaded(
    arguments: tuple[str, ...], place: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubslice.verbs.explain.service.open_traceable", never)
    refused("explain", "model", *arguments, code=2, says=("there is nothing at nowhere",))


@pytest.mark.parametrize("arguments", [("-i", "torn"), ("-i", "images", "--data", "torn")], ids=" ".join)
def test_torn_images_are_told_before_the_export(
    arguments: tuple[str, ...], place: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubslice.tracing.traceable.traceable_of", never)
    refused("explain", "model", *arguments, code=2, says=("torn/a.png cannot be read", "mend it or take it away"))


def test_a_profile_of_another_model(place: Path, refused: Refused, hubslice: Hubslice) -> None:
    assert hubslice("explain", "plain.onnx", "-i", "good.npy", "--out", "mine").code == 0
    kept = sorted(place.rglob("*")), (place / "mine/means.safetensors").read_bytes()
    says = ("mine/means.safetensors is a profile of another model", "its hash begins with", "images with --data")
    options = ("-i", "good.npy", "--data", "mine/means.safetensors", "--out", "mine")
    refused("explain", "other.onnx", *options, code=2, says=says)
    assert (sorted(place.rglob("*")), (place / "mine/means.safetensors").read_bytes()) == kept


def test_inputs_that_are_all_that_the_means_are_of(place: Path, refused: Refused) -> None:
    np.save(place / "one.npy", pixels(1))
    says = ("nothing contributed", "the answers to one.npy are those to the mean of one.npy", "--data")
    refused("explain", "plain.onnx", "-i", "one.npy", "--data", "one.npy", "--mean", "element", code=2, says=says)
    assert not (place / "plain-explained").exists()


def test_a_batch_that_does_not_fit(
    place: Path, hubslice: Hubslice, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = BatchTrace.run
    hubslice("explain", "plain.onnx", "-i", "good.npy", "--out", "before")

    def tight(self: BatchTrace, targets: np.ndarray, watch: object) -> None:
        if len(targets) > 1:
            raise MemoryError("Unable to allocate 7 TiB")
        whole(self, targets, watch)  # type: ignore[arg-type]

    monkeypatch.setattr(BatchTrace, "run", tight)
    assert hubslice("explain", "plain.onnx", "-i", "good.npy", "--out", "after").code == 0
    assert (place / "after/slice.safetensors").read_bytes() == (place / "before/slice.safetensors").read_bytes()

    def none(self: BatchTrace, targets: np.ndarray, watch: object) -> None:
        raise MemoryError("Unable to allocate 7 TiB")

    monkeypatch.setattr(BatchTrace, "run", none)
    refused("explain", "plain.onnx", "-i", "good.npy", code=2, says=("out of memory with a single sample", "7 TiB"))
    assert not (place / "plain-explained").exists()


def test_classes_that_plots_could_take_for_formulas_or_cannot_draw(
    place: Path, tmp_path: Path, hubslice: Hubslice
) -> None:
    model = tmp_path / "model"
    shutil.copytree(place / "model", model)
    config = json.loads((model / "config.json").read_text())
    names = ["$\\y$", "猫", "\U0001f98a\u202e$"]
    (model / "config.json").write_text(json.dumps(config | {"label_names": names}))
    for number, name in enumerate(names):
        out = tmp_path / f"out-{number}"
        finished = hubslice("explain", str(model), "-i", str(place / "images"), "--target", name, "--out", str(out))
        assert finished.code == 0, finished.stderr
        assert "Glyph" not in finished.stderr
        with Image.open(out / "explanation.png") as drawn:
            assert min(drawn.size) > 500
