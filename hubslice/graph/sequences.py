"""Parts of a tensor that are taken out of a sequence of them, as slices of the tensor.

torch's `split` and `chunk` become SplitToSequence, and each part is taken with SequenceAt. What walks a graph has
tensors to walk along; a sequence is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from onnx import helper


def without_sequences(nodes: list[Any], constants: dict[str, np.ndarray]) -> list[Any]:
    """The nodes with a Slice for each part whose number and place are constant; what it needs joins `constants`.

    A split of which nothing is read any more is left for the caller to drop.
    """
    splits = {node.output[0]: node for node in nodes if node.op_type == "SplitToSequence"}
    return [_sliced(node, splits, constants) if node.op_type == "SequenceAt" else node for node in nodes]


def _sliced(node: Any, splits: Mapping[str, Any], constants: dict[str, np.ndarray]) -> Any:
    split = splits.get(node.input[0])
    if split is None or node.input[1] not in constants or len(split.input) < 2 or split.input[1] not in constants:
        return node
    axis = next((item.i for item in split.attribute if item.name == "axis"), 0)
    sizes, at = constants[split.input[1]], int(constants[node.input[1]].reshape(()))
    if at < 0:  # counted from an end that only sizes tell
        if sizes.ndim == 0:
            return node
        at += len(sizes)
    start, end = (at * sizes, (at + 1) * sizes) if sizes.ndim == 0 else (sizes[:at].sum(), sizes[: at + 1].sum())
    names = [f"{node.output[0]}:{what}" for what in ("starts", "ends", "axes")]
    for name, value in zip(names, (start, end, axis), strict=True):
        constants[name] = np.array([value], np.int64)
    return helper.make_node("Slice", [split.input[0], *names], list(node.output), name=node.name)
