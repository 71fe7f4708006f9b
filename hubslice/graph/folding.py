"""Prepare a graph for dynamic slicing: fold constants, and batch normalisation into convolutions.

Names stay as the export gave them, above all those of the nodes that the neuron map knows. onnxscript's optimizer is
not used (0.7.2, with onnx-ir 1.1.0), as its constant folding leaves nodes with several outputs, such as the `Split` of
a MultiheadAttention's weight, and its rule for batch normalisation drops the names of convolutions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from hubslice.graph.plainer import plainer
from hubslice.graph.program import Program
from hubslice.graph.session import open_session

EPSILON = 1e-5  # the default of BatchNormalization


def fold(model: Any) -> Any:
    """Return a copy of an exported graph with all constants as initializers and BatchNormalization folded into Conv.

    Parts of a tensor that the export takes out of a sequence (`SplitToSequence`, `SequenceAt`) become slices of it, and
    some operators are replaced by simpler ones.

    If only its normalisation reads a convolution, the convolution takes over the normalisation's output and gets a new
    weight with `:folded` appended to the old one's name; its node keeps its name. Other normalisations are kept.
    """
    graph = Program(model)
    constants = _constants(model, graph)
    nodes = [node for node in graph.nodes if not constants.keys() >= {name for name in node.output if name}]
    nodes = plainer(_without_sequences(nodes, constants), constants)
    nodes = _without_normalisation(nodes, graph, constants)
    return _rebuilt(model, nodes, constants)


def _constants(model: Any, graph: Program) -> dict[str, np.ndarray]:
    """Return the values of all initializers, and of all tensors computed from them, by name."""
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    types: Mapping[str, int] = _types(model)
    fixed, foldable, read = dict.fromkeys(values), [], set(graph.outputs)  # ordered, so that files are deterministic
    for node in graph.nodes:
        like = node.op_type == "CastLike"  # only the type of its second operand matters
        inputs = node.input[:1] if like else node.input
        if all(not name or name in fixed for name in inputs) and not any(a.HasField("g") for a in node.attribute):
            foldable.append(_typed(node, types) if like else node)
            fixed |= dict.fromkeys(node.output)
        else:
            read.update(node.input)
    wanted = [name for node in foldable for name in node.output if name in read]
    if wanted:
        part = onnx.ModelProto()
        part.ir_version = model.ir_version
        part.opset_import.extend(model.opset_import)
        part.graph.name = "constants"
        part.graph.node.extend(foldable)
        part.graph.initializer.extend(model.graph.initializer)
        part.graph.output.extend(onnx.ValueInfoProto(name=name) for name in dict.fromkeys(wanted))
        session = open_session(part.SerializeToString(), level="none")
        values |= dict(zip(dict.fromkeys(wanted), session.runtime.run(None, {}), strict=True))
    # Values that only other constants read are not needed, but their names must be known as constants.
    return dict.fromkeys(fixed, np.empty(0)) | values


def _types(model: Any) -> dict[str, int]:
    """Return the element type of every tensor, inferred without the weights' data, which may be too large."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.graph.initializer[:]
    bare.graph.input.extend(
        helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        for tensor in model.graph.initializer
    )
    known = onnx.shape_inference.infer_shapes(bare).graph
    return {value.name: value.type.tensor_type.elem_type for value in [*known.input, *known.value_info, *known.output]}


def _typed(node: Any, types: Mapping[str, int]) -> Any:
    """Replace CastLike by the equivalent Cast, so that its second operand is not needed."""
    target = types.get(node.input[1]) or onnx.TensorProto.FLOAT
    return helper.make_node("Cast", [node.input[0]], list(node.output), name=node.name, to=target)


def _without_sequences(nodes: list[Any], constants: dict[str, np.ndarray]) -> list[Any]:
    """Replace elements of a split tensor by slices without the sequence; unused splits are removed."""
    splits = {node.output[0]: node for node in nodes if node.op_type == "SplitToSequence"}
    kept: list[Any] = []
    for node in nodes:
        split = splits.get(node.input[0]) if node.op_type == "SequenceAt" else None
        sizes = constants.get(split.input[1]) if split is not None and len(split.input) > 1 else None
        place = constants.get(node.input[1]) if split is not None else None
        if split is None or sizes is None or place is None or int(place) < 0:
            kept.append(node)
            continue
        at, axis = int(place), next((item.i for item in split.attribute if item.name == "axis"), 0)
        ends = (at + np.arange(2)) * int(sizes) if sizes.ndim == 0 else np.cumsum([0, *sizes])[at : at + 2]
        names = [f"{node.output[0]}:{word}" for word in ("start", "end", "axis")]
        constants |= {name: np.array([value], np.int64) for name, value in zip(names, [*ends, axis], strict=True)}
        kept.append(helper.make_node("Slice", [split.input[0], *names], list(node.output), name=node.name))
    return kept


def _without_normalisation(nodes: list[Any], graph: Program, constants: dict[str, np.ndarray]) -> list[Any]:
    convolutions = {node.output[0]: at for at, node in enumerate(nodes) if node.op_type == "Conv"}
    kept: list[Any] = list(nodes)
    for at, node in enumerate(nodes):
        if node.op_type != "BatchNormalization" or node.input[0] not in convolutions:
            continue
        place = convolutions[node.input[0]]
        convolution = kept[place]
        sole = len(graph.consumers[node.input[0]]) == 1 and node.input[0] not in graph.outputs
        if not sole or convolution.input[1] not in constants or any(name not in constants for name in node.input[1:]):
            continue
        kept[place] = _folded(convolution, node, constants)
        kept[at] = None
    return [node for node in kept if node is not None]


def _folded(convolution: Any, norm: Any, constants: dict[str, np.ndarray]) -> Any:
    scale, shift, mean, variance = (constants[name].astype(np.float64) for name in norm.input[1:5])
    epsilon = next((item.f for item in norm.attribute if item.name == "epsilon"), EPSILON)
    factor = scale / np.sqrt(variance + epsilon)
    weight = constants[convolution.input[1]]
    has_bias = len(convolution.input) > 2 and convolution.input[2]
    bias = constants[convolution.input[2]] if has_bias else np.zeros(len(weight))
    names = [f"{convolution.input[1]}:folded", f"{norm.output[0]}:bias"]
    shape = (-1,) + (1,) * (weight.ndim - 1)
    constants[names[0]] = (weight * factor.reshape(shape)).astype(weight.dtype)
    constants[names[1]] = ((bias - mean) * factor + shift).astype(weight.dtype)
    folded = onnx.NodeProto()
    folded.CopyFrom(convolution)
    del folded.input[1:], folded.output[:]
    folded.input.extend(names)
    folded.output.append(norm.output[0])
    return folded


def _rebuilt(model: Any, nodes: list[Any], constants: dict[str, np.ndarray]) -> Any:
    """Return a model with those of `nodes` that the outputs need."""
    needed, kept = {value.name for value in model.graph.output}, []
    for node in reversed(nodes):
        if not needed.isdisjoint(node.output):
            kept.append(node)
            needed.update(node.input)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.graph.node[:], result.graph.initializer[:]
    result.graph.node.extend(reversed(kept))
    result.graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(value), name)
        if value.ndim
        else numpy_helper.from_array(value, name)
        for name, value in constants.items()
        if name in needed
    )
    return result
