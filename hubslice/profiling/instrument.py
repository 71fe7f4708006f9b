"""Add coverage counting to an ONNX graph.

Each tensor is reduced to one mean per channel where it is computed, so that no activation outlives its consumers. Which
channels are active is then decided for all tensors together: this needs few nodes, so sessions are created quickly. The
counts pass through the graph as one running total, `state_out = state_in + counts`; only that vector leaves it per
batch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import TensorProto, helper

from hubslice.artefacts.profile import Criterion
from hubslice.core.errors import ProfileError
from hubslice.graph.layer import TensorRef
from hubslice.profiling.criteria import Measured, write_criterion
from hubslice.profiling.node_writer import NodeWriter

STATE_IN = "hubslice/state_in"
STATE_OUT = "hubslice/state_out"
OPSET = 18  # from this version on, reductions take their axes as an input


@dataclass(frozen=True)
class Instrumented:
    """The graph, and the position of each tensor's channels in its int64 state vector [size].

    `places[key] = start, stop`.
    """

    model: Any
    places: dict[str, tuple[int, int]]
    size: int


def instrument(model: Any, tensors: Sequence[TensorRef], criterion: Criterion) -> Instrumented:
    """Return a copy of the graph that counts, for each channel of `tensors`, the samples on which it is active.

    The graph's own outputs and everything that only they need are removed; `STATE_IN` and `STATE_OUT` [size] are added.
    Each reduction directly follows the node that computes its tensor: when run in file order, the tensor can be freed.

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
    batch = writer.op("Gather", writer.op("Shape", model.graph.input[0].name), writer.ints(0))
    measured: dict[str, Measured] = {}

    def measures(names: Sequence[str]) -> list[Any]:
        for name in names:
            for tensor in wanted.get(name, ()):
                measured[tensor.key] = _measure(writer, tensor, criterion, batch)
        return writer.take()

    nodes = measures([value.name for value in model.graph.input])
    for node in model.graph.node:
        nodes.append(node)
        nodes.extend(measures(node.output))
    missing = [tensor.name for tensor in tensors if tensor.key not in measured]
    if missing:
        raise ProfileError(f"the graph has no tensor {missing[0]}", hint="the neuron map was made from another graph")
    active = write_criterion(writer, criterion, [measured[tensor.key] for tensor in tensors])
    total = writer.op("ReduceSum", writer.op("Cast", active, to=TensorProto.INT64), writer.ints(0), keepdims=0)
    nodes.extend(writer.take())
    nodes.append(helper.make_node("Add", [STATE_IN, total], [STATE_OUT], name=STATE_OUT))

    places, size = {}, 0
    for tensor in tensors:
        places[tensor.key] = (size, size + tensor.channels)
        size += tensor.channels
    return Instrumented(_rebuild(model, nodes, writer.initializers, size), places, size)


def _measure(writer: NodeWriter, tensor: TensorRef, criterion: Criterion, batch: str) -> Measured:
    """Write the statistics of a tensor that the criterion needs.

    One that is the same for all samples gets equal rows.
    """
    means = _means(writer, tensor, batch)
    if criterion.name != "nc":
        return Measured(tensor.channels, means)
    low, high = (_extreme(writer, tensor, op, batch) for op in ("ReduceMin", "ReduceMax"))
    return Measured(tensor.channels, means, low, high)


def _means(writer: NodeWriter, tensor: TensorRef, batch: str) -> str:
    """Write the mean of each channel over all its positions: [N, C]."""
    kept = {tensor.channel_axis, tensor.sample_axis}
    means = tensor.name
    positions = [axis for axis in range(tensor.rank) if axis not in kept]
    if positions:
        means = writer.op("ReduceMean", means, writer.ints(*positions), keepdims=0)
    if tensor.sample_axis is None:
        return writer.op("Expand", means, writer.op("Concat", batch, writer.ints(tensor.channels), axis=0))
    if tensor.channel_axis < tensor.sample_axis:
        means = writer.op("Transpose", means, perm=[1, 0])
    if tensor.windows:
        # All windows have the same size, so the mean of their means is the mean of the sample.
        shape = writer.op("Concat", batch, writer.ints(-1, tensor.channels), axis=0)
        means = writer.op("ReduceMean", writer.op("Reshape", means, shape), writer.ints(1), keepdims=0)
    return means


def _extreme(writer: NodeWriter, tensor: TensorRef, op: str, batch: str) -> str:
    """Write the smallest or largest value of the whole tensor for each sample: [N]."""
    axes = [axis for axis in range(tensor.rank) if axis != tensor.sample_axis]
    value = writer.op(op, tensor.name, writer.ints(*axes), keepdims=0)
    if tensor.sample_axis is None:
        return writer.op("Expand", value, batch)
    if tensor.windows:
        shape = writer.op("Concat", batch, writer.ints(-1), axis=0)
        return writer.op(op, writer.op("Reshape", value, shape), writer.ints(1), keepdims=0)
    return value


def _rebuild(model: Any, nodes: list[Any], initializers: list[Any], size: int) -> Any:
    """Return a model with those of `nodes` that `STATE_OUT` needs."""
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
