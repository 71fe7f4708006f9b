"""Rules for pooling, and for reductions over axes."""

from __future__ import annotations

import numpy as np

from hubslice.tracing.op import Op
from hubslice.tracing.rules.rule import Rule, Trace
from hubslice.tracing.rules.weighted import NO_SYNAPSES, geometry


def _ends(op: Op) -> tuple[str, ...]:
    return op.inputs[0], op.output


def _largest(op: Op, trace: Trace) -> None:
    """MaxPool: all positions equal to the maximum of their window get its contribution, as in the authors' code."""
    x, y = trace.value(op.inputs[0]), trace.value(op.output)
    contribution = trace.contribution(op.output)
    kernel = tuple(op.attribute("kernel_shape", ()))
    strides, dilations, before = geometry(op, x.shape[2:], kernel)
    if len(kernel) == 1:
        x, y, contribution, kernel = x[:, :, None], y[:, :, None], contribution[:, :, None], (1, *kernel)
    P, Q = y.shape[2:]
    # Padding for windows that extend beyond the edges.
    reach = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip((P, Q), strides, kernel, dilations, strict=True)]
    size = [max(r, n + b) for r, n, b in zip(reach, x.shape[2:], before, strict=True)]
    wide = np.full((*x.shape[:2], *size), -np.inf, x.dtype)
    inner = (..., slice(before[0], before[0] + x.shape[2]), slice(before[1], before[1] + x.shape[3]))
    wide[inner] = x
    back = np.zeros(wide.shape, np.int32)
    for ky in range(kernel[0]):
        for kx in range(kernel[1]):
            top, left = ky * dilations[0], kx * dilations[1]
            at = (
                ...,
                slice(top, top + (P - 1) * strides[0] + 1, strides[0]),
                slice(left, left + (Q - 1) * strides[1] + 1, strides[1]),
            )
            back[at] += np.where(wide[at] == y, contribution, 0)
    trace.give(op.inputs[0], back[inner].reshape(trace.value(op.inputs[0]).shape))


def _largest_of_all(op: Op, trace: Trace) -> None:
    """GlobalMaxPool: like MaxPool, with the whole channel as window."""
    is_largest = trace.value(op.inputs[0]) == trace.value(op.output)
    trace.give(op.inputs[0], np.where(is_largest, trace.contribution(op.output), 0))


def _average(op: Op, trace: Trace) -> None:
    """AveragePool: a weighted sum with equal weights; padding, counted or not, is not a neuron."""
    x = trace.delta(op.inputs[0])
    kernel = tuple(op.attribute("kernel_shape", ()))
    strides, dilations, before = geometry(op, x.shape[2:], kernel)
    signs = trace.signs(op.output)
    spatial, out = ((1, *x.shape[2:]), (1, *signs.shape[2:])) if len(kernel) == 1 else (x.shape[2:], signs.shape[2:])
    planes = x.shape[0] * x.shape[1]
    deltas = np.ascontiguousarray(x, np.float32).reshape(planes, 1, *spatial, 1)
    weights = np.ones((1, 1, *((1, *kernel) if len(kernel) == 1 else kernel), 1), np.float32)
    back = np.zeros(deltas.shape, np.int32)
    turned = np.ascontiguousarray(signs).reshape(planes, 1, 1, *out)
    trace.kernels.weighted_sums(deltas, weights, turned, back, NO_SYNAPSES, strides, dilations, before, trace.numbers)
    trace.give(op.inputs[0], back.reshape(x.shape))


def _mean(op: Op, trace: Trace) -> None:
    """ReduceMean, ReduceSum, GlobalAveragePool: a weighted sum with equal weights over the reduced axes."""
    _reduced(op, trace, trace.delta(op.inputs[0]))


def _reduced(op: Op, trace: Trace, x: np.ndarray) -> None:
    """Trace a sum over the reduced axes of `x`, the local contributions in the input's shape."""
    axes = _axes(op, trace, x.ndim)
    order = [axis for axis in range(x.ndim) if axis not in axes] + list(axes)
    turned = np.transpose(x, order)
    size = int(np.prod([x.shape[axis] for axis in axes]))
    fields = np.ascontiguousarray(turned, np.float32).reshape(-1, size)
    back = np.zeros(fields.shape, np.int32)
    trace.kernels.rows(fields, np.ascontiguousarray(trace.signs(op.output)).reshape(-1), back, trace.numbers)
    trace.give(op.inputs[0], np.transpose(back.reshape(turned.shape), np.argsort(order)))


def _length(op: Op, trace: Trace) -> None:
    """ReduceL2, ReduceSumSquare: a sum of squares with an exact split, a^2 - A^2 = da (a + A), where A is the mean."""
    name = op.inputs[0]
    _reduced(op, trace, trace.delta(name) * (trace.value(name) + trace.mean(name)))


def _sizes_summed(op: Op, trace: Trace) -> None:
    """ReduceL1: a sum of absolute values, each of which changes by itself."""
    name = op.inputs[0]
    _reduced(op, trace, np.abs(trace.value(name)) - np.abs(trace.mean(name)))


def _extreme(op: Op, trace: Trace) -> None:
    """ReduceMax, ReduceMin: all positions equal to the largest (smallest) value get its contribution, as in MaxPool."""
    x = trace.value(op.inputs[0])
    axes = _axes(op, trace, x.ndim)
    shape = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    found, contribution = trace.value(op.output).reshape(shape), trace.contribution(op.output).reshape(shape)
    trace.give(op.inputs[0], np.where(x == found, contribution, 0).astype(np.int32))


def _axes(op: Op, trace: Trace, rank: int) -> tuple[int, ...]:
    if op.kind == "GlobalAveragePool":
        return tuple(range(2, rank))
    given = op.attribute("axes", None)
    if given is None and len(op.inputs) > 1 and op.inputs[1]:
        given = trace.value(op.inputs[1]).reshape(-1).tolist()
    if not given:
        return tuple(range(rank))
    return tuple(sorted(int(axis) % rank for axis in given))


def _sizes(op: Op) -> tuple[str, ...]:
    return op.controls


def _ends_and_sizes(op: Op) -> tuple[str, ...]:
    return (*_ends(op), *op.controls)


POOLING = {
    "MaxPool": Rule(_largest, values=_ends),
    "GlobalMaxPool": Rule(_largest_of_all, values=_ends),
    "AveragePool": Rule(_average, deltas=_ends),
    "GlobalAveragePool": Rule(_mean, deltas=_ends),
    "ReduceMean": Rule(_mean, values=_sizes, deltas=_ends),
    "ReduceSum": Rule(_mean, values=_sizes, deltas=_ends),
    "ReduceL1": Rule(_sizes_summed, values=_sizes, deltas=_ends),
    "ReduceL2": Rule(_length, values=_sizes, deltas=_ends),
    "ReduceSumSquare": Rule(_length, values=_sizes, deltas=_ends),
    "ReduceMax": Rule(_extreme, values=_ends_and_sizes),
    "ReduceMin": Rule(_extreme, values=_ends_and_sizes),
}
