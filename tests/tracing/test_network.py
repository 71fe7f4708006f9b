"""The hash of a folded graph: the same for the same function, whatever order its parts lie in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hubslice.tracing.network import content_hash


def graph() -> Any:
    """Two layers and what describes them."""
    rng = np.random.default_rng(0)
    weights = [numpy_helper.from_array(rng.normal(size=(3, 3)).astype(np.float32), name) for name in ("a", "b", "c")]
    nodes = [helper.make_node("MatMul", ["x", "a"], ["y"]), helper.make_node("MatMul", ["y", "b"], ["z"])]
    nodes.append(helper.make_node("Add", ["z", "c"], ["logits"]))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 3]) for name in ("x", "logits")]
    shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 3]) for name in ("y", "z")]
    return helper.make_model(helper.make_graph(nodes, "net", ends[:1], ends[1:], weights, value_info=shapes))


def turned(part: Any) -> None:
    entries = list(part)[::-1]
    del part[:]
    part.extend(entries)


def heavier(model: Any) -> None:
    changed = numpy_helper.to_array(model.graph.initializer[2]).copy()
    changed[0, 0] += 1
    model.graph.initializer[2].CopyFrom(numpy_helper.from_array(changed, "c"))


def swapped(model: Any) -> None:
    model.graph.initializer[0].name, model.graph.initializer[1].name = "b", "a"


def rewired(model: Any) -> None:
    model.graph.node[2].input[0] = "y"


def lacking(model: Any) -> None:
    del model.graph.initializer[2]


def newer(model: Any) -> None:
    model.opset_import[0].version += 1


def described(model: Any) -> None:
    onnx.helper.set_model_props(model, {"made": "yesterday"})


def noted(model: Any) -> None:
    """As PyTorch's exporter does it."""
    for part in (*model.graph.node, *model.graph.initializer, *model.graph.input):
        part.doc_string = "made yesterday"
        part.metadata_props.add(key="pkg.torch.onnx.stack_trace", value='File "/home/alice/model.py", line 3')


SAME: list[Callable[[Any], None]] = [
    lambda model: turned(model.graph.initializer),
    lambda model: turned(model.graph.value_info),
    described,
    noted,
]


@pytest.mark.parametrize("change", SAME)
def test_order_and_description_do_not_count(change: Callable[[Any], None]) -> None:
    model = graph()
    change(model)
    assert model.SerializeToString(deterministic=True) != graph().SerializeToString(deterministic=True)
    assert content_hash(model) == content_hash(graph())


@pytest.mark.parametrize("change", [heavier, swapped, rewired, lacking, newer])
def test_what_is_computed_counts(change: Callable[[Any], None]) -> None:
    model = graph()
    change(model)
    assert content_hash(model) != content_hash(graph())
