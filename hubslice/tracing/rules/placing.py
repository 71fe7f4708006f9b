"""Rules for indexing operators: contributions go back to where the values came from."""

from __future__ import annotations

import numpy as np

from hubslice.core.errors import RuleError
from hubslice.tracing.op import Op
from hubslice.tracing.rules.rule import Rule, Trace


def _controls(op: Op) -> tuple[str, ...]:
    return op.controls


def _places(op: Op, trace: Trace) -> tuple[np.ndarray, ...]:
    """Return the positions along each indexed axis, in the shape of the indices without their last axis."""
    indices = op.inputs[1]
    if indices in op.carrying or op.attribute("batch_dims", 0):
        raise RuleError(
            f"{op.kind} ({op.name}) takes its places from activations, or a list of them for each sample",
            hint="the rule is for given places",
        )
    return tuple(np.moveaxis(trace.value(indices), -1, 0))


def _gathered(op: Op, trace: Trace) -> None:
    """GatherND of activations at given positions: each neuron gets the sum over its copies."""
    back = np.zeros(op.shapes.at(op.inputs[0], trace.samples), np.int32)
    np.add.at(back, _places(op, trace), trace.contribution(op.output))
    trace.give(op.inputs[0], back)


def _scattered(op: Op, trace: Trace) -> None:
    """ScatterND: the new values get the contributions at the given positions, the old ones elsewhere."""
    if op.attribute("reduction", "none") not in ("none", b"none"):
        raise RuleError(f"{op.kind} ({op.name}) adds up values", hint="the rule is for values that replace others")
    places, contribution = _places(op, trace), trace.contribution(op.output)
    if op.inputs[2] in op.carrying:
        trace.give(op.inputs[2], contribution[places])
    if op.inputs[0] in op.carrying:
        kept = contribution.copy()
        kept[places] = 0
        trace.give(op.inputs[0], kept)


PLACING = {
    "GatherND": Rule(_gathered, values=_controls),
    "ScatterND": Rule(_scattered, values=_controls),
}
