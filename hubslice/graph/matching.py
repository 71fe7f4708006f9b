"""Find the layers of a program: Conv, Gemm and MatMul nodes that apply a parameter to an activation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubslice.graph.layer import Kind, Layer, TensorRef
from hubslice.graph.program import Program, Shape, attribute
from hubslice.graph.weights import Weight, trace_weight


def find_layers(program: Program, parameters: Mapping[str, tuple[int, ...]]) -> tuple[Layer, ...]:
    """Return all layers in graph order; a weight that several nodes share gives several layers.

    Products of two activations, as in attention, are not layers; neither are products of two weights.
    """
    layers = []
    axes_of: dict[str, int] = {}  # the channel axis for which a tensor's plain name is the key
    for node in program.nodes:
        if node.op_type == "Conv":
            found = _convolution(program, node, parameters)
        elif node.op_type in {"Gemm", "MatMul"}:
            found = _linear(program, node, parameters)
        else:
            continue
        if found is not None:
            sides = {side: _with_key(getattr(found, side), axes_of) for side in ("input", "output")}
            layers.append(found.model_copy(update=sides))
    return tuple(layers)


def _convolution(program: Program, node: Any, parameters: Mapping[str, tuple[int, ...]]) -> Layer | None:
    weight = trace_weight(program, node.input[1], parameters)
    if weight is None or node.input[0] not in program.dynamic or len(weight.shape) < 2:
        return None
    groups = attribute(node, "group", 1)
    out_channels, in_channels = weight.shape[0], weight.shape[1] * groups
    source = node.input[0]
    # A separate padding node ("same" padding) is part of the PyTorch module.
    while (producer := program.producer.get(source)) is not None and producer.op_type == "Pad":
        source = producer.input[0]
    shape = next((program.shapes[n] for n in (node.output[0], source, node.input[0]) if n in program.shapes), None)
    rank = len(shape or weight.shape)
    samples = _sample_axis(program, (shape or (program.batch_symbol or 0,))[:1])
    return _layer(
        node,
        weight,
        kind="depthwise" if groups == in_channels and groups > 1 else "conv",
        groups=groups,
        kernel=weight.shape[2:] + (1,) * (rank - len(weight.shape)),
        axes=(weight.axes[0], weight.axes[1]),
        sides=(
            _tensor(source, in_channels, rank, 1, samples),
            _tensor(node.output[0], out_channels, rank, 1, samples),
        ),
    )


def _linear(program: Program, node: Any, parameters: Mapping[str, tuple[int, ...]]) -> Layer | None:
    source, operand = node.input[0], node.input[1]
    weight = trace_weight(program, operand, parameters)
    shape = program.shapes.get(source)
    if weight is None or source not in program.dynamic or len(weight.shape) != 2 or not shape:
        return None
    if node.op_type == "Gemm" and attribute(node, "transA", 0):
        return None
    output_first = node.op_type == "Gemm" and attribute(node, "transB", 0)
    out, into = (0, 1) if output_first else (1, 0)
    samples = _sample_axis(program, shape[:-1])
    rank = len(shape)
    return _layer(
        node,
        weight,
        kind="linear",
        groups=1,
        kernel=(),
        axes=(weight.axes[out], weight.axes[into]),
        sides=(
            _tensor(source, weight.shape[into], rank, rank - 1, samples),
            _tensor(_after_bias(program, node, weight.shape[out]), weight.shape[out], rank, rank - 1, samples),
        ),
    )


def _layer(
    node: Any,
    weight: Weight,
    *,
    kind: Kind,
    groups: int,
    kernel: tuple[int, ...],
    axes: tuple[int, int],
    sides: tuple[TensorRef, TensorRef],
) -> Layer:
    source, target = sides
    return Layer(
        node=node.name,
        op=node.op_type,
        module=weight.parameter.rpartition(".")[0],
        parameter=weight.parameter,
        kind=kind,
        groups=groups,
        in_channels=source.channels,
        out_channels=target.channels,
        kernel=kernel,
        out_axis=axes[0],
        in_axis=axes[1],
        computed=weight.computed,
        input=source,
        output=target,
    )


def _after_bias(program: Program, node: Any, channels: int) -> str:
    """Return the tensor after the bias if the only consumer adds a weight vector [channels]; else the node's output."""
    output: str = node.output[0]
    consumers = program.consumers.get(output, [])
    if node.op_type == "MatMul" and len(consumers) == 1 and consumers[0].op_type == "Add":
        for other in consumers[0].input:
            if other != output and other not in program.dynamic and program.shapes.get(other) == (channels,):
                return str(consumers[0].output[0])
    return output


def _sample_axis(program: Program, leading: Shape) -> tuple[int | None, bool]:
    """Return the axis of the samples, and whether it has several rows for each of them."""
    for axis, size in enumerate(leading):
        if program.has_batch(size):
            return axis, size != program.batch_symbol
    return None, False


def _tensor(name: str, channels: int, rank: int, channel_axis: int, samples: tuple[int | None, bool]) -> TensorRef:
    return TensorRef(
        name=name,
        key=name,
        rank=rank,
        channels=channels,
        channel_axis=channel_axis,
        sample_axis=samples[0],
        windows=samples[1],
    )


def _with_key(tensor: TensorRef, axes_of: dict[str, int]) -> TensorRef:
    taken = axes_of.setdefault(tensor.name, tensor.channel_axis)
    if taken == tensor.channel_axis:
        return tensor
    return tensor.model_copy(update={"key": f"{tensor.name}:{tensor.channel_axis}"})
