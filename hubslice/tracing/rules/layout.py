"""Rules for operators that only move values: contributions move back with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from hubslice.core.errors import RuleError
from hubslice.tracing.op import Op
from hubslice.tracing.rules.rule import Rule, Trace


def _controls(op: Op) -> tuple[str, ...]:
    return op.controls


def _shape(op: Op, trace: Trace, at: int = 0) -> tuple[int, ...]:
    return op.shapes.at(op.inputs[at], trace.samples)


def _reshape(op: Op, trace: Trace) -> None:
    """Reshape, Flatten, Squeeze, Unsqueeze: the same elements in the same order."""
    trace.give(op.inputs[0], trace.contribution(op.output).reshape(_shape(op, trace)))


def _transpose(op: Op, trace: Trace) -> None:
    """Transpose: axes in another order."""
    contribution = trace.contribution(op.output)
    order = op.attribute("perm", list(reversed(range(contribution.ndim))))
    trace.give(op.inputs[0], np.transpose(contribution, np.argsort(order)))


def _expand(op: Op, trace: Trace) -> None:
    """Expand: each neuron gets the sum over its copies."""
    trace.give(op.inputs[0], trace.contribution(op.output))


def _tile(op: Op, trace: Trace) -> None:
    """Tile: each neuron gets the sum over its copies, which are whole arrays one after another."""
    shape = _shape(op, trace)
    times = trace.value(op.inputs[1]).reshape(-1).tolist()
    both = [size for pair in zip(times, shape, strict=True) for size in pair]
    back = trace.contribution(op.output).reshape(both).sum(axis=tuple(range(0, len(both), 2)), dtype=np.int32)
    trace.give(op.inputs[0], back)


def _concat(op: Op, trace: Trace) -> None:
    """Concat: each input gets its part."""
    contribution = trace.contribution(op.output)
    axis = op.attribute("axis", 0) % contribution.ndim
    start = 0
    for at, name in enumerate(op.inputs):
        size = op.constants[name].shape[axis] if name in op.constants else _shape(op, trace, at)[axis]
        if name in op.carrying:
            trace.give(name, contribution[(slice(None),) * axis + (slice(start, start + size),)])
        start += size


def _split(op: Op, trace: Trace) -> None:
    """Split: the contributions of the parts are concatenated."""
    axis = op.attribute("axis", 0)
    trace.give(op.inputs[0], np.concatenate([trace.contribution(name) for name in op.outputs], axis))


def _slice(op: Op, trace: Trace) -> None:
    """Slice: elements that are cut off get no contribution."""
    back = np.zeros(_shape(op, trace), np.int32)
    starts, ends = (trace.value(name).reshape(-1).tolist() for name in op.inputs[1:3])
    rest = [trace.value(name).reshape(-1).tolist() if name else [] for name in op.inputs[3:5]]
    axes = rest[0] if rest and rest[0] else list(range(len(starts)))
    steps = rest[1] if len(rest) > 1 and rest[1] else [1] * len(starts)
    taken = [slice(None)] * back.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        # With a negative step, an end before the first element can only be written as None in Python.
        stop = None if step < 0 and end < -back.shape[axis] else end
        taken[axis] = slice(start, stop, step)
    back[tuple(taken)] = trace.contribution(op.output)
    trace.give(op.inputs[0], back)


def _gather(op: Op, trace: Trace) -> None:
    """Gather of activations by given indices, for example of one token: each neuron gets the sum over its copies."""
    if op.inputs[0] not in op.carrying or op.inputs[1] in op.carrying:
        raise RuleError(
            f"Gather ({op.name}) takes its indices from activations",
            hint="the rule is for given indices",
        )
    back = np.zeros(_shape(op, trace), np.int32)
    axis = op.attribute("axis", 0) % back.ndim
    np.add.at(back, (slice(None),) * axis + (trace.value(op.inputs[1]),), trace.contribution(op.output))
    trace.give(op.inputs[0], back)


def _pad(op: Op, trace: Trace) -> None:
    """Pad: padding with a constant is not a neuron; with reflected or repeated input, neurons get sums over copies."""
    shape = _shape(op, trace)
    pads = trace.value(op.inputs[1]).reshape(-1).tolist() if len(op.inputs) > 1 else op.attribute("pads", [])
    axes = (
        [axis % len(shape) for axis in trace.value(op.inputs[3]).tolist()] if len(op.inputs) > 3 else range(len(shape))
    )
    before = dict(zip(axes, pads[: len(pads) // 2], strict=True))
    contribution = trace.contribution(op.output)
    mode = op.attribute("mode", "constant")
    if mode != "constant":
        trace.give(op.inputs[0], _unrepeated(contribution, shape, before, mode))
        return
    back = np.zeros(shape, np.int32)
    source, target = [slice(None)] * len(shape), [slice(None)] * len(shape)
    for axis, size in enumerate(shape):
        start = before.get(axis, 0)
        first, last = max(0, -start), min(size, contribution.shape[axis] - start)
        target[axis], source[axis] = slice(first, last), slice(first + start, last + start)
    back[tuple(target)] = contribution[tuple(source)]
    trace.give(op.inputs[0], back)


def _unrepeated(
    contribution: np.ndarray,
    shape: tuple[int, ...],
    before: Mapping[int, int],
    mode: Literal["reflect", "edge", "wrap"],
) -> np.ndarray:
    """Add the contributions of a padded tensor to those of the elements that were copied, axis by axis."""
    for axis, start in before.items():
        after = contribution.shape[axis] - shape[axis] - start
        ends = [max(0, start), max(0, after)]
        places = np.pad(np.arange(shape[axis]), ends, mode=mode)
        places = places[max(0, -start) : len(places) - max(0, -after)]
        added = np.zeros((*contribution.shape[:axis], shape[axis], *contribution.shape[axis + 1 :]), np.int32)
        np.add.at(np.moveaxis(added, axis, 0), places, np.moveaxis(contribution, axis, 0))
        contribution = added
    return contribution


def _where(op: Op, trace: Trace) -> None:
    """Where: the chosen side gets the contribution, the condition none."""
    condition = trace.value(op.inputs[0])
    contribution = trace.contribution(op.output)
    for name, taken in ((op.inputs[1], condition), (op.inputs[2], ~condition)):
        if name in op.carrying:
            trace.give(name, np.where(taken, contribution, 0).astype(np.int32))


LAYOUT = {
    **{kind: Rule(_reshape) for kind in ("Reshape", "Flatten", "Squeeze", "Unsqueeze")},
    "Transpose": Rule(_transpose),
    "Expand": Rule(_expand),
    "Tile": Rule(_tile, values=_controls),
    "Concat": Rule(_concat),
    "Split": Rule(_split),
    "Slice": Rule(_slice, values=_controls),
    "Gather": Rule(_gather, values=_controls),
    "Pad": Rule(_pad, values=_controls),
    "Where": Rule(_where, values=_controls),
}
