"""Adds coverage counting to an ONNX graph.

The counts are reduced where the tensors arise, and travel through the graph as one running total: `state_out = state_in
+ counts`. Per batch nothing but that vector leaves the graph, and no activation outlives its consumers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import TensorProto, helper

from hubslice.artefacts.profile import Criterion
from hubslice.errors import ProfileError
from hubslice.graph.layer import TensorRef
from hubslice.profiling.criteria import write_criterion
from hubslice.profiling.node_writer import NodeWriter

STATE_IN = "hubslice/state_in"
STATE_OUT = "hubslice/state_out"
OPSET = 18  # from here on reductions take their axes as an input


@dataclass(frozen=True)
class Instrumented:
    """The graph, and where each tensor's channels lie in its int64 state vector [size]: `places[key] = start, stop`."""

    model: Any
    places: dict[str, tuple[int, int]]
    size: int


def instrument(model: Any, tensors: Sequence[TensorRef], criterion: Criterion) -> Instrumented:
    """A copy of the graph that counts, for each channel of `tensors`, the samples on which it is active.

    Its own outputs and all that only they need are gone; `STATE_IN` and `STATE_OUT` [size] are there instead. Each
    reduction stands right after the node that makes its tensor: run in file order, so the tensor can be freed.

    Raises:
        ProfileError: there is nothing to count, or the graph is older than opset 18.
    """
    version = max(entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"})
    if version < OPSET:
        raise ProfileError(f"the graph has opset {version}; profiling needs {OPSET} or newer")
    if not tensors:
        raise ProfileError("the neuron map is empty: there is nothing to profile")
    wanted: dict[str, list[TensorRef]] = defaultdict(list)
    for tensor in tensors:
        wanted[tensor.name].append(tensor)
    writer = NodeWriter()
    first_input = model.graph.input[0].name
    batch = writer.op("Gather", writer.op("Shape", first_input), writer.ints(0))
    counts: dict[str, str] = {}

    def counters(names: Sequence[str]) -> list[Any]:
        for name in names:
            for tensor in wanted.get(name, ()):
                counts[tensor.key] = _write_counts(writer, tensor, criterion, batch)
        return writer.take()

    nodes = counters([value.name for value in model.graph.input])
    for node in model.graph.node:
        nodes.append(node)
        nodes.extend(counters(node.output))
    missing = [tensor.name for tensor in tensors if tensor.key not in counts]
    if missing:
        raise ProfileError(f"the graph has no tensor {missing[0]}", hint="the neuron map was made from another graph")
    total = writer.op("Concat", *(counts[tensor.key] for tensor in tensors), axis=0)
    nodes.extend(writer.take())
    nodes.append(helper.make_node("Add", [STATE_IN, total], [STATE_OUT], name=STATE_OUT))

    places, size = {}, 0
    for tensor in tensors:
        places[tensor.key] = (size, size + tensor.channels)
        size += tensor.channels
    return Instrumented(_rebuild(model, nodes, writer.initializers, size), places, size)


def _write_counts(writer: NodeWriter, tensor: TensorRef, criterion: Criterion, batch: str) -> str:
    """The name of an int64 tensor [C]: on how many samples of this batch each channel is active."""

    def extreme(op: str) -> str:
        return _extreme(writer, tensor, op, batch)

    active = write_criterion(writer, criterion, _means(writer, tensor, batch), tensor.channels, extreme)
    count = writer.op("ReduceSum", writer.op("Cast", active, to=TensorProto.INT64), writer.ints(0), keepdims=0)
    # The same on all samples: there was one row to count.
    return count if tensor.sample_axis is not None else writer.op("Mul", count, batch)


def _means(writer: NodeWriter, tensor: TensorRef, batch: str) -> str:
    """Mean of each channel over all its positions: [N, C], or [1, C] for a tensor that is the same for all samples."""
    kept = {tensor.channel_axis, tensor.sample_axis}
    means = tensor.name
    positions = [axis for axis in range(tensor.rank) if axis not in kept]
    if positions:
        means = writer.op("ReduceMean", means, writer.ints(*positions), keepdims=0)
    if tensor.sample_axis is None:
        return writer.op("Unsqueeze", means, writer.ints(0))
    if tensor.channel_axis < tensor.sample_axis:
        means = writer.op("Transpose", means, perm=[1, 0])
    if tensor.windows:
        # All windows are of one size, so the mean of their means is the mean of the sample.
        shape = writer.op("Concat", batch, writer.ints(-1, tensor.channels), axis=0)
        means = writer.op("ReduceMean", writer.op("Reshape", means, shape), writer.ints(1), keepdims=0)
    return means


def _extreme(writer: NodeWriter, tensor: TensorRef, op: str, batch: str) -> str:
    """Smallest or largest value of the whole tensor for each sample: [N, 1], or [1, 1]."""
    axes = [axis for axis in range(tensor.rank) if axis != tensor.sample_axis]
    value = writer.op(op, tensor.name, writer.ints(*axes), keepdims=0)
    if tensor.windows:
        shape = writer.op("Concat", batch, writer.ints(-1), axis=0)
        return writer.op(op, writer.op("Reshape", value, shape), writer.ints(1), keepdims=1)
    return writer.op("Reshape", value, writer.ints(-1, 1))


def _rebuild(model: Any, nodes: list[Any], initializers: list[Any], size: int) -> Any:
    """A model of those of `nodes` that `STATE_OUT` needs."""
    needed, kept = {STATE_OUT}, []
    for node in reversed(nodes):
        if not needed.isdisjoint(node.output):
            kept.append(node)
            needed.update(node.input)
    result = onnx.ModelProto()
    result.ir_version = model.ir_version
    result.opset_import.extend(model.opset_import)
    result.functions.extend(model.functions)
    graph = result.graph
    graph.name = model.graph.name
    graph.node.extend(reversed(kept))
    graph.initializer.extend(tensor for tensor in [*model.graph.initializer, *initializers] if tensor.name in needed)
    graph.input.extend(model.graph.input)
    graph.input.append(helper.make_tensor_value_info(STATE_IN, TensorProto.INT64, [size]))
    graph.output.append(helper.make_tensor_value_info(STATE_OUT, TensorProto.INT64, [size]))
    return result
