"""Trace a node's weight operand back to the PyTorch parameter."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass

from hubslice.graph.program import Program, Shape, attribute

SAME_LAYOUT = frozenset({"Identity", "Cast", "CastLike"})
RESHAPES = frozenset({"Reshape", "Squeeze", "Unsqueeze"})


@dataclass(frozen=True)
class Weight:
    """The parameter behind a weight operand; axis i of the operand is axis `axes[i]` of the parameter.

    `computed` means that the operand is a function of the parameter, with the same shape up to `axes`.
    """

    parameter: str
    shape: tuple[int, ...]  # of the operand
    axes: tuple[int, ...]
    computed: bool = False


def trace_weight(program: Program, operand: str, parameters: Mapping[str, tuple[int, ...]]) -> Weight | None:
    """Trace `operand` to a parameter through transposes, casts and reshapes that only add or drop trailing axes of 1.

    Otherwise return the only parameter of its shape that it is computed from. None if there is neither: the operand is
    an activation, a constant, or a part of a parameter.
    """
    name = operand
    axes = tuple(range(len(program.shapes[name]))) if name in program.shapes else None
    while name not in parameters:
        node = program.producer.get(name)
        if node is None:
            return None
        source = node.input[0] if node.input else ""
        if node.op_type == "Transpose":
            order = attribute(node, "perm", None) or tuple(reversed(range(len(program.shapes.get(source, ())))))
            axes = order if axes is None else tuple(order[axis] for axis in axes)
        elif node.op_type in RESHAPES:
            if not _same_but_trailing_ones(program.shapes.get(source), program.shapes.get(name)):
                break
        elif node.op_type not in SAME_LAYOUT:
            break
        name = source
    computed = name not in parameters
    parameter = _only_ancestor(program, name, parameters) if computed else name
    if parameter is None:
        return None
    shape = parameters[parameter]
    if axes is None:
        axes = tuple(range(len(shape)))
    # A reshape may have dropped trailing axes of 1 that an earlier transpose never saw.
    axes = tuple(axis for axis in axes if axis < len(shape))
    return Weight(parameter, tuple(shape[axis] for axis in axes), axes, computed)


def _same_but_trailing_ones(first: Shape | None, second: Shape | None) -> bool:
    if first is None or second is None:
        return False
    short, long = sorted((first, second), key=len)
    return long[: len(short)] == short and all(size == 1 for size in long[len(short) :])


def _only_ancestor(program: Program, name: str, parameters: Mapping[str, tuple[int, ...]]) -> str | None:
    """Return the only parameter with the shape of tensor `name` that it is computed from, if there is exactly one."""
    if name in program.dynamic:
        return None
    shape = program.shapes.get(name)
    found = {p for p in _ancestors(program, name, parameters) if parameters[p] == shape}
    return found.pop() if len(found) == 1 else None


def _ancestors(program: Program, name: str, stop: Container[str]) -> set[str]:
    seen, found, todo = {name}, set(), [name]
    while todo:
        current = todo.pop()
        if current in stop:
            found.add(current)
            continue
        node = program.producer.get(current)
        for source in node.input if node is not None else ():
            if source not in seen:
                seen.add(source)
                todo.append(source)
    return found
