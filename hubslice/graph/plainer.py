"""Rewrite operators of an exported graph as simpler ones for code that processes the sample axis.

Both rewrites are exact, up to the order in which a few numbers are added.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from onnx import helper

from hubslice.graph.einsum import product


def plainer(nodes: list[Any], constants: dict[str, np.ndarray]) -> list[Any]:
    """Replace reductions over a stack along a new first axis by sums, and einsums by matrix products.

    Constants that they need are added to `constants`. The caller removes the replaced nodes if nothing reads them.
    Nodes of other forms are kept, and so are the names of outputs.
    """
    producers = {name: node for node in nodes for name in node.output}
    found: list[Any] = []
    for node in nodes:
        if node.op_type == "Einsum":
            found += product(node, constants) or [node]
        elif node.op_type in {"ReduceSum", "ReduceMean"}:
            found += _sum(node, producers, constants) or [node]
        else:
            found.append(node)
    return found


def _sum(node: Any, producers: Mapping[str, Any], constants: dict[str, np.ndarray]) -> list[Any] | None:
    """Return the sum or mean of tensors stacked along a new first axis as additions; None for other reductions.

    If the first axis of a tensor is not that of the samples, this is not a mean over samples.
    """
    stack = producers.get(node.input[0])
    axes = constants.get(node.input[1]) if len(node.input) > 1 else None
    keeps = next((item.i for item in node.attribute if item.name == "keepdims"), 1)
    if stack is None or stack.op_type != "Concat" or axes is None or axes.reshape(-1).tolist() != [0] or keeps:
        return None
    parts = [producers.get(name) for name in stack.input]
    if _axis(stack) != 0 or not all(part is not None and _stacked(part, constants) for part in parts):
        return None
    names = [part.input[0] for part in parts if part is not None]
    whole, found = names[0], []
    for at, name in enumerate(names[1:]):
        total = f"{node.output[0]}:sum{at}"
        found.append(helper.make_node("Add", [whole, name], [total], name=total))
        whole = total
    share = f"{node.output[0]}:share"
    constants[share] = np.array(1 / len(names) if node.op_type == "ReduceMean" else 1, np.float32)
    return [*found, helper.make_node("Mul", [whole, share], node.output, name=node.name)]


def _axis(node: Any) -> int | None:
    return next((item.i for item in node.attribute if item.name == "axis"), None)


def _stacked(part: Any, constants: Mapping[str, np.ndarray]) -> bool:
    """Return whether a node adds a new first axis to its input."""
    axes = constants.get(part.input[1]) if part.op_type == "Unsqueeze" else None
    return axes is not None and axes.reshape(-1).tolist() == [0]
