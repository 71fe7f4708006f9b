"""A node of the folded graph, as used by the rules of dynamic slicing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import helper

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Shapes:
    """Sizes of a graph's tensors, measured for one and for two samples: every size is linear in their number."""

    one: Mapping[str, Shape]
    two: Mapping[str, Shape]

    def at(self, name: str, samples: int) -> Shape:
        """Return the shape of a tensor for that many samples."""
        return tuple(a + (b - a) * (samples - 1) for a, b in zip(self.one[name], self.two[name], strict=True))

    def repeats(self, name: str) -> int | None:
        """Return how many rows of the first axis belong to each sample; None if that is not the sample axis."""
        one, two = self.one[name], self.two[name]
        return one[0] if one and two[0] == 2 * one[0] and one[1:] == two[1:] else None

    def pairs(self, name: str) -> bool:
        """Return whether two axes grow with the number of samples: the tensor has values for pairs of samples."""
        return sum(a != b for a, b in zip(self.one[name], self.two[name], strict=True)) > 1


@dataclass(frozen=True)
class Op:
    """A node: its inputs, which of them carry contributions, and the constants among them.

    `roots[name]` is the tensor of which `name` is an elementwise function: `name` itself, unless only pointwise
    operators are between them.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    constants: Mapping[str, np.ndarray]
    carrying: frozenset[str]
    roots: Mapping[str, str]
    shapes: Shapes

    @property
    def output(self) -> str:
        """The first output."""
        return self.outputs[0]

    @property
    def carried(self) -> tuple[str, ...]:
        """The inputs that carry contributions."""
        return tuple(name for name in self.inputs if name in self.carrying)

    @property
    def controls(self) -> tuple[str, ...]:
        """The inputs that neither carry contributions nor are constants: sizes, conditions, masks."""
        return tuple(name for name in self.inputs if name and name not in self.carrying and name not in self.constants)

    def attribute(self, name: str, default: Any) -> Any:
        """Return an attribute of the node, or `default`."""
        return self.attributes.get(name, default)


def attributes(node: Any) -> dict[str, Any]:
    """Return all attributes of an ONNX node; texts as `str`."""
    found = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}
