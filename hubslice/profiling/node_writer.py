"""Write ONNX nodes one operator call at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import helper, numpy_helper

PREFIX = "hubslice/"  # separates hubslice's tensor names from the model's


class NodeWriter:
    """Collects nodes and constants; equal constants are stored once."""

    def __init__(self) -> None:
        self.initializers: list[Any] = []
        self._nodes: list[Any] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._count = 0

    def op(self, op_type: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """Append a node; returns the name of its last output."""
        names = [self._name() for _ in range(outputs)]
        self._nodes.append(helper.make_node(op_type, list(inputs), names, name=names[-1], **attributes))
        return names[-1]

    def ints(self, *values: int) -> str:
        """Return the name of an int64 vector [len(values)]."""
        return self._constant(np.array(values, np.int64))

    def number(self, value: float) -> str:
        """Return the name of a float32 scalar []."""
        return self._constant(np.array(value, np.float32))

    def take(self) -> list[Any]:
        """Return the nodes written since the last call."""
        nodes, self._nodes = self._nodes, []
        return nodes

    def _name(self) -> str:
        self._count += 1
        return f"{PREFIX}{self._count}"

    def _constant(self, array: np.ndarray) -> str:
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self._name()
            self.initializers.append(numpy_helper.from_array(array, self._constants[key]))
        return self._constants[key]
