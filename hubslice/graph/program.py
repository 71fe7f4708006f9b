"""An ONNX graph with indexes for traversal, built once in O(nodes)."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cached_property
from typing import Any

Shape = tuple[int | str, ...]


class Program:
    """Producers, consumers and shapes of an ONNX `ModelProto`, by tensor name.

    Shapes are those recorded by the exporter; symbolic dimensions are strings such as "batch" or "64*batch".
    """

    def __init__(self, model: Any) -> None:
        graph = model.graph
        self.nodes: list[Any] = list(graph.node)
        self.inputs: tuple[str, ...] = tuple(value.name for value in graph.input)
        self.outputs: frozenset[str] = frozenset(value.name for value in graph.output)
        self.producer: dict[str, Any] = {name: node for node in self.nodes for name in node.output if name}
        self.consumers: dict[str, list[Any]] = defaultdict(list)
        for node in self.nodes:
            for name in node.input:
                self.consumers[name].append(node)
        self.shapes: dict[str, Shape] = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
        for value in [*graph.input, *graph.output, *graph.value_info]:
            if value.type.tensor_type.HasField("shape"):
                dims = value.type.tensor_type.shape.dim
                self.shapes.setdefault(value.name, tuple(d.dim_param or d.dim_value for d in dims))

    @cached_property
    def batch_symbol(self) -> str | None:
        """The symbol of the batch axis: the first dimension of the first input, None if that is fixed."""
        shape = self.shapes.get(self.inputs[0], ()) if self.inputs else ()
        return shape[0] if shape and isinstance(shape[0], str) else None

    @cached_property
    def dynamic(self) -> frozenset[str]:
        """Tensors that depend on the graph's inputs; all others depend only on the weights."""
        found = set(self.inputs)
        for node in self.nodes:  # in topological order, as ONNX requires
            if not found.isdisjoint(node.input):
                found.update(node.output)
        return frozenset(found)

    def has_batch(self, dimension: int | str) -> bool:
        """Return whether a dimension is the batch size or a multiple of it."""
        return (
            isinstance(dimension, str)
            and self.batch_symbol is not None
            and re.search(rf"\b{re.escape(self.batch_symbol)}\b", dimension) is not None
        )


def attribute(node: Any, name: str, default: Any) -> Any:
    """Return an integer or integer-list attribute of a node, or `default`."""
    for item in node.attribute:
        if item.name == name:
            return tuple(item.ints) if item.ints else item.i
    return default
