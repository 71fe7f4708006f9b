"""Rules for weighted sums: Conv, Gemm, and MatMul with weights."""

from __future__ import annotations

import numpy as np

from hubslice.core.errors import RuleError
from hubslice.tracing.op import Op
from hubslice.tracing.rules.rule import Rule, Trace

NO_SYNAPSES = np.empty((0, 0, 0, 0, 0), np.int32)


def _ends(op: Op) -> tuple[str, ...]:
    return op.inputs[0], op.output


def fixed_weights(op: Op) -> np.ndarray:
    """Return the weights of a convolution.

    Raises:
        RuleError: they are computed from the input.
    """
    if op.inputs[1] not in op.constants:
        raise RuleError(
            f"{op.kind} ({op.name}) takes weights that are themselves computed from the input",
            hint="the rule is for convolutions with fixed weights",
        )
    return op.constants[op.inputs[1]]


def _convolution(op: Op, trace: Trace) -> None:
    """Conv: NNSlicer's rule of the weighted sum, with groups, strides, dilations and padding.

    Local contribution of predecessor i to neuron n: CONTRIB_n x dy_n x w_i x dx_i, with dy and dx the deviations from
    the means; neuron and synapse both get its sign, if the predecessor is selected. Padding is not a neuron, so it is
    in no field. The bias is the same for every input, so it has no part in a deviation.
    """
    weights = fixed_weights(op)
    groups = op.attribute("group", 1)
    kernel = weights.shape[2:]
    source = op.inputs[0]
    x = trace.delta(source)
    samples = x.shape[0]
    flat = len(kernel) == 1  # one spatial axis: an image with one row
    strides, dilations, before = geometry(op, x.shape[2:], kernel)
    signs = trace.signs(op.output)
    spatial = (1, *x.shape[2:]) if flat else x.shape[2:]
    out = (1, *signs.shape[2:]) if flat else signs.shape[2:]
    into = weights.shape[1]
    deltas = last(x.reshape(samples, groups, into, *spatial))
    packed = last(weights.reshape(groups, -1, into, *((1, *kernel) if flat else kernel)))
    back = np.zeros(deltas.shape, np.int32)
    synapses = np.zeros(packed.shape, np.int32) if trace.wants_synapses(op) else NO_SYNAPSES
    signs = np.ascontiguousarray(signs.reshape(samples, groups, -1, *out))
    trace.kernels.weighted_sums(deltas, packed, signs, back, synapses, strides, dilations, before, trace.numbers)
    trace.give(source, np.moveaxis(back, -1, 2).reshape(x.shape))
    if synapses.size:
        trace.use(op, np.moveaxis(synapses, -1, 2).reshape(weights.shape))


def last(array: np.ndarray, axis: int = 2) -> np.ndarray:
    """Move the channel axis to the end."""
    return np.ascontiguousarray(np.moveaxis(array, axis, -1), np.float32)


def geometry(
    op: Op, sizes: tuple[int, ...], kernel: tuple[int, ...]
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Return strides, dilations, and padding at the start, each (vertical, horizontal).

    Raises:
        RuleError: the operator has three spatial axes.
    """
    axes = len(kernel)
    if axes > 2:
        raise RuleError(
            f"{op.kind} ({op.name}) has {axes} spatial axes; the rule is for one or two",
            hint="dynamic slicing explains models of images, signals and text",
        )
    strides = tuple(op.attribute("strides", [1] * axes))
    dilations = tuple(op.attribute("dilations", [1] * axes))
    before = tuple(op.attribute("pads", [0] * 2 * axes))[:axes]
    auto = op.attribute("auto_pad", "NOTSET")
    if auto in {"SAME_UPPER", "SAME_LOWER"}:
        total = [
            max(0, (-(-n // s) - 1) * s + (k - 1) * d + 1 - n)
            for n, s, k, d in zip(sizes, strides, kernel, dilations, strict=True)
        ]
        before = tuple(t // 2 if auto == "SAME_UPPER" else t - t // 2 for t in total)
    if axes == 1:
        return (1, strides[0]), (1, dilations[0]), (0, before[0])
    return (strides[0], strides[1]), (dilations[0], dilations[1]), (before[0], before[1])


def _linear(op: Op, trace: Trace) -> None:
    """Gemm, and MatMul with weights: the weighted sum as in Conv; the field is the whole row."""
    operand = op.constants[op.inputs[1]]
    if op.attribute("transA", 0) or operand.ndim != 2:
        raise RuleError(
            f"{op.kind} ({op.name}) has weights of shape {list(operand.shape)}, or takes its input transposed",
            hint="the rule is for linear layers: one matrix of weights, one row for each input",
        )
    flipped = not op.attribute("transB", 0)
    weights = operand.T if flipped else operand  # [out, in]
    source = op.inputs[0]
    x = trace.delta(source)
    signs = trace.signs(op.output)
    rows = x.size // x.shape[-1]
    deltas = np.ascontiguousarray(x.reshape(1, 1, 1, rows, x.shape[-1]), np.float32)
    packed = np.ascontiguousarray(weights, np.float32).reshape(1, len(weights), 1, 1, -1)
    turned = np.ascontiguousarray(signs.reshape(rows, -1).T).reshape(1, 1, len(weights), 1, rows)
    back = np.zeros(deltas.shape, np.int32)
    synapses = np.zeros(packed.shape, np.int32) if trace.wants_synapses(op) else NO_SYNAPSES
    trace.kernels.weighted_sums(deltas, packed, turned, back, synapses, (1, 1), (1, 1), (0, 0), trace.numbers)
    trace.give(source, back.reshape(x.shape))
    if synapses.size:
        found = synapses.reshape(weights.shape)
        trace.use(op, found.T if flipped else found)


def _product(op: Op, trace: Trace) -> None:
    """MatMul of two activations, as in attention: a sum of products a_k b_k, both of which deviate.

    The change of a product splits exactly, a b - A B = da (b + B)/2 + db (a + A)/2 with A and B the means: the local
    contribution of each factor is its own deviation times the other's average. The field of an output is the row of one
    and the column of the other together. A factor that is not an activation, such as learned queries, never deviates.
    """
    left, right = op.inputs[:2]

    def change(name: str) -> tuple[np.ndarray, np.ndarray]:
        value = trace.value(name)
        if name not in op.carrying:
            return np.zeros_like(value), value
        return trace.delta(name), (value + trace.mean(name)) * np.float32(0.5)

    a, a_middle = change(left)
    b, b_middle = (np.swapaxes(each, -1, -2) for each in change(right))
    signs = trace.signs(op.output)
    batch = signs.shape[:-2]

    def stacked(array: np.ndarray) -> np.ndarray:
        whole = np.broadcast_to(array, (*batch, *array.shape[-2:]))
        return np.ascontiguousarray(whole, np.float32).reshape(-1, *array.shape[-2:])

    a, b, a_middle, b_middle = (stacked(array) for array in (a, b, a_middle, b_middle))
    a_back, b_back = np.zeros(a.shape, np.int32), np.zeros(b.shape, np.int32)
    live = np.ascontiguousarray(signs).reshape(-1, *signs.shape[-2:])
    trace.kernels.products(a, b, a_middle, b_middle, live, a_back, b_back, trace.numbers)
    if left in op.carrying:
        trace.give(left, a_back.reshape(*batch, *a.shape[-2:]))
    if right in op.carrying:
        trace.give(right, np.swapaxes(b_back.reshape(*batch, *b.shape[-2:]), -1, -2))


def _matmul(op: Op, trace: Trace) -> None:
    """MatMul: a linear layer if the right operand is a weight matrix, else a product."""
    left, right = op.inputs[:2]
    if left in op.carrying and right in op.constants and op.constants[right].ndim == 2:
        _linear(op, trace)
    else:
        _product(op, trace)


def _both(op: Op) -> tuple[str, ...]:
    return (*op.carried, op.output)


def _given(op: Op) -> tuple[str, ...]:
    return tuple(name for name in op.inputs if name and name not in op.carrying)


WEIGHTED = {
    "Conv": Rule(_convolution, deltas=_ends),
    "Gemm": Rule(_linear, deltas=_ends),
    "MatMul": Rule(_matmul, values=_given, deltas=_both),
}
