"""Rule for transposed convolutions: a weighted sum in which neurons of a row use different parts of the kernel."""

from __future__ import annotations

import numpy as np

from hubslice.core.errors import RuleError
from hubslice.tracing.op import Op
from hubslice.tracing.rules.rule import Rule, Trace
from hubslice.tracing.rules.weighted import NO_SYNAPSES, fixed_weights, last


def _transposed(op: Op, trace: Trace) -> None:
    """ConvTranspose [N, C, H, W]: outputs with equal position modulo the stride are a plain convolution.

    Output u sees input i through tap k where u = stride i - pad + k. For the outputs with (u + pad) mod stride = r
    these are the taps r, r + stride, ..., in reverse order. Contributions of the weights are not computed: such layers
    are not in the neuron map.
    """
    weights = fixed_weights(op)
    if (
        weights.ndim != 4
        or set(op.attribute("dilations", [1])) != {1}
        or op.attribute("auto_pad", "NOTSET") != "NOTSET"
    ):
        raise RuleError(
            f"{op.kind} ({op.name}) is dilated, padded by rule, or has another number of spatial axes than two",
            hint="the rule is for transposed convolutions of images",
        )
    groups = op.attribute("group", 1)
    strides, pads = op.attribute("strides", [1, 1]), op.attribute("pads", [0] * 4)
    x = trace.delta(op.inputs[0])
    samples, into = x.shape[0], len(weights) // groups
    deltas = last(x.reshape(samples, groups, into, *x.shape[2:]), 2)
    taps = last(weights.reshape(groups, into, *weights.shape[1:]), 1)  # [G, O, kh, kw, C]
    signs = trace.signs(op.output)
    signs = signs.reshape(samples, groups, -1, *signs.shape[2:])
    back = np.zeros(deltas.shape, np.int32)
    for down in range(strides[0]):
        for right in range(strides[1]):
            (first, top), (start, left) = divmod(down + pads[0], strides[0]), divmod(right + pads[1], strides[1])
            seen = np.ascontiguousarray(taps[:, :, top :: strides[0], left :: strides[1]][:, :, ::-1, ::-1])
            live = np.ascontiguousarray(signs[..., down :: strides[0], right :: strides[1]])
            if seen.size and live.size:
                before = (seen.shape[2] - 1 - first, seen.shape[3] - 1 - start)
                trace.kernels.weighted_sums(
                    deltas, seen, live, back, NO_SYNAPSES, (1, 1), (1, 1), before, trace.numbers
                )
    trace.give(op.inputs[0], np.moveaxis(back, -1, 2).reshape(x.shape))


TRANSPOSED = {"ConvTranspose": Rule(_transposed, deltas=lambda op: (op.inputs[0], op.output))}
