"""Rules for elementwise sums and products of two activations; with one activation they are pointwise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hubslice.tracing.op import Op
from hubslice.tracing.rules.rule import Rule, Trace


def _of_two(op: Op) -> tuple[str, ...]:
    return (*op.carried, op.output) if len(op.carried) > 1 else ()


def share(trace: Trace, op: Op, parts: Sequence[tuple[str, np.ndarray]]) -> None:
    """Distribute the contributions of live neurons to their few predecessors.

    `parts` are names and local contributions, broadcast or not.
    """
    signs = trace.signs(op.output)
    live = np.flatnonzero(signs)
    shape = signs.shape
    fields = np.empty((len(live), len(parts)), np.float32)
    for column, (_, local) in enumerate(parts):
        fields[:, column] = np.broadcast_to(local, shape).reshape(-1)[live]
    back = np.zeros(fields.shape, np.int32)
    trace.kernels.rows(fields, signs.reshape(-1)[live], back, trace.numbers)
    for column, (name, _) in enumerate(parts):
        whole = np.zeros(signs.size, np.int32)
        whole[live] = back[:, column]
        trace.give(name, whole.reshape(shape))


def _single(op: Op, trace: Trace) -> bool:
    """Pass contributions on if the operator has one activation: the only predecessor gets everything."""
    if len(op.carried) == 1:
        trace.give(op.carried[0], trace.contribution(op.output))
    return len(op.carried) == 1


def _sum(op: Op, trace: Trace) -> None:
    """Add, as in residual connections: a weighted sum of two predecessors with weight 1 and selection among them."""
    if not _single(op, trace):
        share(trace, op, [(name, trace.delta(name)) for name in op.inputs])


def _difference(op: Op, trace: Trace) -> None:
    """Sub: like Add, with the second weight -1."""
    if not _single(op, trace):
        first, second = op.inputs
        share(trace, op, [(first, trace.delta(first)), (second, -trace.delta(second))])


def _product(op: Op, trace: Trace) -> None:
    """Mul of two activations, such as a gate and its input.

    The change of a product splits exactly: a b - A B = da (b + B)/2 + db (a + A)/2 with A and B the means. These two
    are the local contributions; a gate that is broadcast collects those of everything that it gates.
    """
    if not _single(op, trace):
        a, b = op.inputs
        half = np.float32(0.5)
        a_middle, b_middle = ((trace.value(name) + trace.mean(name)) * half for name in (a, b))
        share(trace, op, [(a, trace.delta(a) * b_middle), (b, trace.delta(b) * a_middle)])


def _quotient(op: Op, trace: Trace) -> None:
    """Div by a constant, a size, or a statistic that is broadcast: the only predecessor gets everything.

    As with LayerNormalization, what is common to a row does not distinguish its neurons and is treated as given. A
    quotient of two activations of the same shape is a product with 1/b, and its change splits like that of a product:
    a/b - A/B = da (1/b + 1/B)/2 + (1/b - 1/B) (a + A)/2.
    """
    if _single(op, trace):
        return
    a, b = op.inputs
    if trace.value(b).size < trace.value(a).size:
        trace.give(a, trace.contribution(op.output))
        return
    half = np.float32(0.5)
    now, usual = np.float32(1) / trace.value(b), np.float32(1) / trace.mean(b)
    middle = (trace.value(a) + trace.mean(a)) * half
    share(trace, op, [(a, trace.delta(a) * ((now + usual) * half)), (b, (now - usual) * middle)])


ARITHMETIC = {
    "Add": Rule(_sum, deltas=_of_two),
    "Sub": Rule(_difference, deltas=_of_two),
    "Mul": Rule(_product, deltas=_of_two),
    "Div": Rule(_quotient, deltas=_of_two),
}
