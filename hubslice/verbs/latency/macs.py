"""Count a graph's weights and multiplications."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, inliner, shape_inference

# Operators whose multiplications cannot be derived from shapes.
OPAQUE = frozenset({"Attention", "GRU", "LSTM", "MultiHeadAttention", "RNN"})
WEIGHTS_AT = {"Conv": 1, "ConvInteger": 1, "FusedConv": 1, "QLinearConv": 3}
PRODUCTS = frozenset({"FusedMatMul", "MatMul", "MatMulInteger", "QLinearMatMul"})
NO_WEIGHTS = frozenset({TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING})  # shapes, masks, names

Shape = tuple[int, ...]


def count_weights(path: Path) -> int:
    """Return the number of values in the graph's tensors, without those of shapes and masks."""
    graph = onnx.load(path, load_external_data=False).graph
    return sum(math.prod(tensor.dims) for tensor in graph.initializer if tensor.data_type not in NO_WEIGHTS)


def file_bytes(path: Path) -> int:
    """Return the size of a graph with the weight files that it refers to."""
    graph = onnx.load(path, load_external_data=False).graph
    beside = {entry.value for tensor in graph.initializer for entry in tensor.external_data if entry.key == "location"}
    return sum(file.stat().st_size for file in (path, *(path.parent / name for name in beside)) if file.is_file())


def count_macs(path: Path, name: str, shape: Sequence[int]) -> int | None:
    """Count multiply-accumulates for an image, with an input `name` [N, ...] of this shape; None if one is unknown.

    Convolutions and matrix products are counted, including those of attention, but no elementwise operators.
    """
    model = inliner.inline_local_functions(onnx.load(path, load_external_data=False))
    symbols: dict[str, int] = {}
    for value in model.graph.input:
        if value.name == name:
            symbols = {d.dim_param: size for d, size in zip(_dimensions(value), shape, strict=True) if d.dim_param}
    for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        for dimension in _dimensions(value):
            if dimension.dim_param in symbols:
                dimension.dim_value = symbols[dimension.dim_param]
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    shapes: dict[str, Shape] = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        sizes = [dimension.dim_value for dimension in _dimensions(value)]
        if all(sizes):
            shapes.setdefault(value.name, tuple(sizes))
    total = 0
    for node in _nodes(graph):
        if node.op_type in OPAQUE:
            return None
        try:
            total += _macs(node, shapes)
        except KeyError:
            return None
    return total // shape[0]


def _dimensions(value: Any) -> Any:
    return value.type.tensor_type.shape.dim


def _macs(node: Any, shapes: dict[str, Shape]) -> int:
    """Return the node's multiply-accumulates. Raises KeyError if a shape is unknown."""
    attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    kind = node.op_type
    if kind in WEIGHTS_AT:
        weights = shapes[node.input[WEIGHTS_AT[kind]]]
        return math.prod(shapes[node.output[0]]) * math.prod(weights[1:])
    if kind == "ConvTranspose":
        return math.prod(shapes[node.input[0]]) * math.prod(shapes[node.input[1]][1:])
    if kind in PRODUCTS:
        inner = shapes[node.input[0]][-2 if attributes.get("transA") else -1]
        return math.prod(shapes[node.output[0]]) * inner
    if kind in ("Gemm", "FusedGemm", "QGemm"):
        return math.prod(shapes[node.output[0]]) * shapes[node.input[0]][0 if attributes.get("transA") else 1]
    if kind == "Einsum":
        letters = attributes["equation"].decode().replace(" ", "").partition("->")[0].split(",")
        sizes: dict[str, int] = {}
        for name, term in zip(node.input, letters, strict=True):
            if len(term) != len(shapes[name]):  # an ellipsis
                raise KeyError(name)
            sizes |= dict(zip(term, shapes[name], strict=True))
        return math.prod(sizes.values())
    return 0


def _nodes(graph: Any) -> Iterator[Any]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)
