"""Find the channel axes of tensors: a channel is a neuron of the paper, with one mean."""

from __future__ import annotations

from collections.abc import Mapping

from hubslice.tracing.flow import Flow
from hubslice.tracing.op import Op

Axes = frozenset[int]


def channel_axes(flow: Flow) -> Mapping[str, Axes]:
    """Return the channel axes of each tensor of the flow.

    Convolutions have one, the second; linear layers one, the last; embeddings likewise. Other operators keep those of
    their inputs: an axis that is split into heads and features gives two, and a flattened image's channel axis extends
    to all elements. Each entry of an attention matrix is a neuron of its head.
    """
    found: dict[str, Axes] = {}
    for name in flow.leaves:
        found[name] = frozenset({len(flow.shapes.two[name]) - 1 if name in flow.embeddings else 1})
    for op in (*flow.earlier, *flow.ops):
        axes = _axes(op, flow, found)
        for name in op.outputs:
            if name in flow.shapes.two:
                found[name] = axes
    return found


def _axes(op: Op, flow: Flow, found: Mapping[str, Axes]) -> Axes:
    shapes = flow.shapes.two
    rank = len(shapes[op.output])
    if op.kind == "Conv":
        return frozenset({1})
    if op.kind == "Gemm" or (op.kind == "MatMul" and op.inputs[1] in op.constants):
        return frozenset({rank - 1})
    if op.kind == "MatMul":
        left, right = (found.get(name, frozenset()) for name in op.inputs[:2])
        stacked = {axis for axis in range(rank - 2) if axis in left or axis in right}
        return frozenset(stacked | ({rank - 1} if rank - 1 in right else set()))
    source = op.carried[0]
    own, shape = found[source], shapes[source]
    match op.kind:
        case "Transpose":
            order = op.attribute("perm", list(reversed(range(rank))))
            return frozenset(at for at, axis in enumerate(order) if axis in own)
        case "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze":
            return _regrouped(own, shape, shapes[op.output])
        case kind if (kind == "Gather" or kind.startswith("Reduce")) and rank < len(shape):
            gone = _dropped(op, len(shape))
            return frozenset(axis - sum(other < axis for other in gone) for axis in own - gone)
    joined = {
        axis + rank - len(shapes[name])
        for name in op.carried
        for axis in found[name]
        if shapes[name][axis] == shapes[op.output][axis + rank - len(shapes[name])]
    }
    return frozenset(joined)


def _dropped(op: Op, rank: int) -> Axes:
    """Return axes of the input that the output lacks."""
    if op.kind == "Gather":
        return frozenset({op.attribute("axis", 0) % rank})
    listed = op.attribute("axes", None)
    if listed is None and len(op.inputs) > 1:
        listed = op.constants[op.inputs[1]].reshape(-1).tolist()
    return frozenset(int(axis) % rank for axis in listed or range(rank))


def _regrouped(own: Axes, before: tuple[int, ...], after: tuple[int, ...]) -> Axes:
    """Return channel axes after a reshape: an axis has channels if an input axis that shares its elements had."""
    found: set[int] = set()
    i = j = 0
    while i < len(before) and j < len(after):
        first, second, left, right = i, j, before[i], after[j]
        while left != right and i < len(before) and j < len(after):
            if left < right:
                i += 1
                left *= before[i] if i < len(before) else 1
            else:
                j += 1
                right *= after[j] if j < len(after) else 1
        i, j = i + 1, j + 1
        if any(axis in own for axis in range(first, i)):
            found.update(range(second, j))
    return frozenset(axis for axis in found if axis < len(after))
