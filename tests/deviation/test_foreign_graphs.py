"""Graphs of other exporters: channels last, several outputs. Compared as their plain forms are, or refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import hubslice
from hubslice.core.errors import ModelError
from hubslice.core.progress import Silent
from hubslice.deviation.opening import open_pair
from hubslice.graph.classifier import answering, channels_first, channels_last
from tests.deviation.graphs import ALIKE, COLOURS, GREENER, SIDE, mixed, write_graph

Dim = int | str


def foreign(
    path: Path,
    weight: np.ndarray = GREENER,
    *,
    last: bool = True,
    shape: tuple[Dim, ...] | None = None,
    outputs: tuple[str, ...] = ("logits",),
) -> Path:
    """The graph of mean colours as another exporter writes it, without a word on how to use it.

    `outputs` are, in order: `logits`; `pooled` [N, 3, 1, 1]; `number`, the largest as int64 [N]; `doubled`, a second
    [N, 3]; `double`, in float64; any of them behind a slash in another name.
    """
    write_graph(path, weight, described=False)
    model = onnx.load(path)
    graph = model.graph
    graph.node.add().CopyFrom(helper.make_node("ArgMax", ["logits"], ["number"], axis=1, keepdims=0))
    graph.node.add().CopyFrom(helper.make_node("Add", ["logits", "logits"], ["doubled"]))
    graph.node.add().CopyFrom(helper.make_node("Softmax", ["doubled"], ["probabilities"], axis=1))
    graph.node.add().CopyFrom(helper.make_node("Cast", ["doubled"], ["double"], to=TensorProto.DOUBLE))
    if last:
        for node in graph.node:
            for at, name in enumerate(node.input):
                node.input[at] = "turned" if name == "pixels" else name
        graph.node.insert(0, helper.make_node("Transpose", ["pixels"], ["turned"], perm=[0, 3, 1, 2]))
    given = shape or (("n", SIDE, SIDE, 3) if last else ("n", 3, SIDE, SIDE))
    graph.input[0].CopyFrom(helper.make_tensor_value_info("pixels", TensorProto.FLOAT, given))
    del graph.output[:]
    kinds = {"number": TensorProto.INT64, "double": TensorProto.DOUBLE}
    for name in outputs:
        source = name.rpartition("/")[2].partition(":")[0]
        if source != name:
            graph.node.add().CopyFrom(helper.make_node("Identity", [source], [name]))
        sides = [f"{name}{axis}" for axis in range({"number": 1, "pooled": 4}.get(source, 2))]
        told = helper.make_tensor_value_info(name, kinds.get(source, TensorProto.FLOAT), sides)
        graph.output.add().CopyFrom(told)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def judged(a: Path, b: Path) -> np.ndarray:
    pair, _ = open_pair(str(a), str(b), mapped=None, resize=False, input_size=None, device="cpu", reporter=Silent())
    return pair.b.logs((255 * mixed(11, seed=1)).round().astype(np.uint8))


LAYOUTS: dict[str, tuple[tuple[Dim, ...], bool]] = {
    "channels last": (("n", SIDE, SIDE, 3), True),
    "one at a time": ((1, SIDE, SIDE, 3), True),
    "of any size": (("n", "h", "w", 3), True),
    "batches of four": ((4, SIDE, SIDE, 3), True),
    "channels first": (("n", 3, SIDE, SIDE), False),
    "of any size, channels first": (("n", 3, "h", "w"), False),
    "of any shape": (("n", "c", "h", "w"), False),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_order_of_axes_changes_no_answer(layout: str, tmp_path: Path) -> None:
    shape, last = LAYOUTS[layout]
    a, plain = write_graph(tmp_path / "a.onnx", ALIKE), write_graph(tmp_path / "plain.onnx", GREENER)
    other = foreign(tmp_path / "other.onnx", last=last, shape=shape)
    assert np.allclose(judged(a, other), judged(a, plain), atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "first"),
    [
        ((None, 224, 224, 3), (None, 3, 224, 224)),
        ((None, 3, 224, 224), (None, 3, 224, 224)),
        ((1, 28, 28, 1), (1, 1, 28, 28)),
        ((1, 1, 28, 28), (1, 1, 28, 28)),
        ((None, None, None, 3), (None, 3, None, None)),
        ((None, None, None, None), (None, None, None, None)),
        ((2, 12, 64, 64), (2, 12, 64, 64)),
        ((2, 3, 3, 3), (2, 3, 3, 3)),
        ((2, 3, 4, 4), (2, 3, 4, 4)),
        ((2, 4, 4, 3), (2, 3, 4, 4)),
        ((2, 3, 32, 4), (2, 3, 32, 4)),
    ],
)
def test_where_the_channels_are(shape: tuple[int | None, ...], first: tuple[int | None, ...]) -> None:
    assert channels_first(shape) == first
    assert channels_last(shape) == (first != shape)


CHOSEN: dict[tuple[str, ...], str] = {
    ("pooled", "logits"): "logits",
    ("number", "logits", "pooled"): "logits",
    ("number", "doubled"): "doubled",
    ("doubled", "logits"): "logits",
    ("pooled", "number", "double"): "double",
    ("doubled", "scope/logits:0"): "scope/logits:0",
    ("doubled", "probabilities"): "probabilities",
}


@pytest.mark.parametrize("outputs", CHOSEN, ids=",".join)
def test_of_several_outputs_the_one_that_answers_is_taken(outputs: tuple[str, ...], tmp_path: Path) -> None:
    """As if it were the only one."""
    a = write_graph(tmp_path / "a.onnx", ALIKE)
    several = foreign(tmp_path / "several.onnx", outputs=outputs)
    alone = foreign(tmp_path / "alone.onnx", outputs=(CHOSEN[outputs],))
    assert np.array_equal(judged(a, several), judged(a, alone))


@pytest.mark.parametrize(
    ("outputs", "told"),
    [
        (("pooled", "number"), "has 2 outputs, and none of them may be its answers, a value for each of 3 labels"),
        (("doubled", "double"), "several of them may be its answers"),
        (("doubled", "a/logits", "b/logits"), "several of them may be its answers"),
    ],
)
def test_what_cannot_be_told_is_refused_with_the_outputs(outputs: tuple[str, ...], told: str, tmp_path: Path) -> None:
    a, other = write_graph(tmp_path / "a.onnx", ALIKE), foreign(tmp_path / "other.onnx", outputs=outputs)
    with pytest.raises(ModelError, match=told) as caught:
        judged(a, other)
    assert all(name in caught.value.message for name in outputs)
    assert "rename the output that answers to logits" in str(caught.value.hint)
    assert caught.value.exit_code == 2


def test_without_labels_any_width_answers() -> None:
    found = {"hidden": np.zeros((1, 5, 8), np.float32), "scores": np.zeros((1, 2), np.float16)}
    assert answering("g", found, 1, None) == "scores"
    with pytest.raises(ModelError, match="none of them"):
        answering("g", {"a": np.zeros((1, 2), np.float32), "b": [{}]}, 1, 3)


def test_a_search_against_such_a_graph_finds_what_it_finds_against_the_plain_one(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", mixed(4))
    a, plain = write_graph(tmp_path / "a.onnx", ALIKE), write_graph(tmp_path / "plain.onnx", GREENER)
    other = foreign(tmp_path / "other.onnx", outputs=("number", "logits"))
    found = [
        hubslice.diff(a, b, tmp_path / "in.npy", budget=60, out=tmp_path / f"found-{b.stem}") for b in (plain, other)
    ]
    assert found[0].seeds == found[1].seeds
    assert found[0].found.hits


@pytest.mark.slow
def test_the_time_of_such_a_graph_is_measured_beside_others(tmp_path: Path) -> None:
    plain, other = write_graph(tmp_path / "plain.onnx"), foreign(tmp_path / "other.onnx", outputs=("number", "logits"))
    told = hubslice.latency([plain, other], batches=(1,), rounds=1, memory=False)
    assert told.input_size == (3, SIDE, SIDE)
    assert told.models[0].macs == told.models[1].macs == 3 * len(COLOURS)
