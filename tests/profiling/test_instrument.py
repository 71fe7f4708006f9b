"""The counting graph on hand-made tensors, where the right counts are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from hubslice.artefacts.profile import NC, SNAC, TKNC, Criterion
from hubslice.core.errors import ProfileError
from hubslice.graph.layer import TensorRef
from hubslice.graph.session import open_session
from hubslice.profiling.instrument import STATE_IN, STATE_OUT, instrument


def graph(shape: tuple[int, ...] = (-1,), opset: int = 20) -> Any:
    """The graph x -> t [shape] -> y, and a branch z that nothing here needs."""
    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["t"]),
        helper.make_node("Identity", ["t"], ["y"]),
        helper.make_node("Exp", ["x"], ["z"]),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xyz"]
    sizes = numpy_helper.from_array(np.array(shape, np.int64), "shape")
    body = helper.make_graph(nodes, "g", values[:1], values[1:], [sizes])
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def tensor(
    rank: int, channels: int, channel_axis: int, sample_axis: int | None = 0, windows: bool = False
) -> TensorRef:
    return TensorRef(
        name="t",
        key="t",
        rank=rank,
        channels=channels,
        channel_axis=channel_axis,
        sample_axis=sample_axis,
        windows=windows,
    )


def count(x: np.ndarray, ref: TensorRef, criterion: Criterion, state: np.ndarray | None = None) -> list[int]:
    shape = (-1, *x.shape[2:]) if ref.windows else x.shape
    counted = instrument(graph(shape), [ref], criterion)
    start = np.zeros(ref.channels, np.int64) if state is None else state
    feed = {"x": x.astype(np.float32), STATE_IN: start}
    (result,) = open_session(counted.model.SerializeToString()).runtime.run([STATE_OUT], feed)
    assert result.dtype == np.int64
    return [int(value) for value in result]


CONSTANT = np.full((2, 3, 2, 2), 0.1)
TIES = np.array([[2.0, 1.0, 2.0, 2.0], [0.0, 0.0, 0.0, 0.0], [1.0, 2.0, 3.0, 4.0]])


@pytest.mark.parametrize(
    ("x", "ref", "criterion", "expected"),
    [
        (CONSTANT, tensor(4, 3, 1), Criterion(name="nc", threshold=0.0), [0, 0, 0]),
        (CONSTANT, tensor(4, 3, 1), SNAC, [0, 0, 0]),
        (TIES, tensor(2, 4, 1), Criterion(name="tknc", k=2), [2, 1, 2, 1]),
        (TIES, tensor(2, 4, 1), TKNC, [3, 3, 3, 3]),  # k is at most the number of channels
        (TIES, tensor(2, 4, 1), SNAC, [1, 0, 2, 2]),
        # The limit itself is not above the limit: 1 of 0..2 scales to 0.5.
        (np.array([[0.0, 1.0, 2.0]]), tensor(2, 3, 1), NC, [0, 0, 1]),
        # [C, N]: channels first, samples last.
        (np.array([[0.0, 9.0], [9.0, 9.0], [1.0, 0.0]]), tensor(2, 3, 0, 1), NC, [1, 2, 0]),
        # Two windows a sample: its extremes are those of both.
        (np.array([[[0.0, 1.0], [9.0, 9.0]], [[0.0, 1.0], [0.0, 0.0]]]), tensor(2, 2, 1, 0, True), NC, [0, 1]),
        # The same for all samples.
        (np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]), tensor(2, 2, 1, None), NC, [0, 3]),
    ],
)
def test_known_counts(x: np.ndarray, ref: TensorRef, criterion: Criterion, expected: list[int]) -> None:
    assert count(x, ref, criterion) == expected


def test_counts_add_to_the_state_beyond_32_bits() -> None:
    big = 2**40
    assert count(TIES, tensor(2, 4, 1), SNAC, np.full(4, big)) == [big + 1, big, big + 2, big + 2]


def test_infinite_and_undefined_activations_do_not_stop_the_run() -> None:
    x = np.array([[0.0, np.inf, 1.0], [np.nan, 0.0, 1.0], [0.0, 0.0, 1.0]])
    assert count(x, tensor(2, 3, 1), NC)[2] == 1


def test_reductions_follow_their_tensor_and_the_rest_is_gone() -> None:
    counted = instrument(graph(), [tensor(4, 3, 1)], NC)
    nodes = [node.op_type for node in counted.model.graph.node]
    assert nodes.index("ReduceMean") == nodes.index("Reshape") + 1
    assert not {"Identity", "Exp"} & set(nodes)  # only the model's own outputs need them
    assert [value.name for value in counted.model.graph.output] == [STATE_OUT]
    assert counted.places == {"t": (0, 3)}


def test_the_given_graph_stays_as_it_is() -> None:
    model = graph()
    before = model.SerializeToString()
    instrument(model, [tensor(4, 3, 1)], TKNC)
    assert model.SerializeToString() == before


def test_old_opsets_are_refused() -> None:
    with pytest.raises(ProfileError, match="the graph has opset 17; profiling needs 18"):
        instrument(graph(opset=17), [tensor(4, 3, 1)], NC)
