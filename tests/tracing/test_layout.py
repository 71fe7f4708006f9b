"""Operators that move values: what goes back is the adjoint of what went forward, <C, f(x)> = <back(C), x>."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hubslice.graph.session import open_session
from hubslice.tracing.network import Network, run_session, with_outputs
from hubslice.tracing.op import Op
from hubslice.tracing.rules import RULES
from tests.tracing.test_reference import Graph

SHAPE = (4, 5, 6)
LAST = np.iinfo(np.int64).max


def ints(g: Graph, *numbers: int) -> str:
    return g.constant(np.array(numbers, np.int64))


OPERATORS: dict[str, Callable[[Graph], object]] = {
    "Reshape": lambda g: g.add("Reshape", "x", ints(g, 0, -1, 3)),
    "Flatten": lambda g: g.add("Flatten", "x", axis=2),
    "Unsqueeze": lambda g: g.add("Unsqueeze", "x", ints(g, 1, -1)),
    "Transpose": lambda g: g.add("Transpose", "x", perm=[0, 3, 1, 2]),
    "Transpose reversed": lambda g: g.add("Transpose", g.add("Transpose", "x"), perm=[3, 0, 2, 1]),
    "Expand": lambda g: g.add("Expand", "x", ints(g, 2, 1, 4, 5, 6)),
    "Concat": lambda g: g.add("Concat", "x", g.add("Slice", "x", ints(g, 1), ints(g, 3), ints(g, 2)), "x", axis=-2),
    "Split": lambda g: g.nodes.append(split(g)),
    "Slice": lambda g: g.add("Slice", "x", ints(g, 1, -2), ints(g, LAST, -1), ints(g, 3, 1), ints(g, 2, 1)),
    "Slice backwards": lambda g: g.add("Slice", "x", ints(g, -1), ints(g, -LAST), ints(g, 2), ints(g, -1)),
    "Slice of the first axes": lambda g: g.add("Slice", "x", ints(g, 0, 1), ints(g, 2, 3)),
    "Gather one": lambda g: g.add("Gather", "x", g.constant(np.array(2)), axis=2),
    "Gather with repeats": lambda g: g.add("Gather", "x", g.constant(np.array([[0, 3], [3, -1]])), axis=1),
    "Pad": lambda g: g.add("Pad", "x", ints(g, 0, 1, 0, 2, 0, 0, 3, 1)),
    "Pad by cutting": lambda g: g.add("Pad", "x", ints(g, -1, 2, 0, -3), "", ints(g, 2, -1)),
    "Where": lambda g: g.add("Where", g.constant(g.rng.random((5, 1)) > 0.5), "x", g.constant(np.float32(0))),
}


def split(g: Graph) -> Any:
    from onnx import helper

    g.last = "second"
    return helper.make_node("Split", ["x", ints(g, 1, 3)], ["first", "second"], name="n0", axis=1)


class Moved:
    """The part of a trace that such rules see: values, and one contribution that is given back."""

    samples = 2

    def __init__(self, values: dict[str, np.ndarray], constants: dict[str, np.ndarray], start: dict[str, Any]) -> None:
        self.values, self.constants, self.contributions = values, constants, start

    def value(self, name: str) -> np.ndarray:
        return self.constants[name] if name in self.constants else self.values[name]

    def contribution(self, name: str) -> np.ndarray:
        return self.contributions.get(name, np.zeros(self.values[name].shape, np.int32))

    def give(self, name: str, contribution: np.ndarray) -> None:
        shape = self.values[name].shape
        while contribution.ndim > len(shape):
            contribution = contribution.sum(axis=0)
        for axis, size in enumerate(shape):
            if size == 1:
                contribution = contribution.sum(axis=axis, keepdims=True)
        self.contributions[name] = self.contributions.get(name, 0) + contribution


@pytest.mark.parametrize("write", OPERATORS.values(), ids=OPERATORS)
def test_what_goes_back_is_the_adjoint(write: Callable[[Graph], object]) -> None:
    g = Graph(*SHAPE)
    write(g)
    model = g.model()
    x = np.random.default_rng(1).integers(-9, 9, (2, *SHAPE)).astype(np.float32)
    flow = Network.of(model, {"x": x}).flow
    names = [name for node in model.graph.node for name in node.output]
    session = open_session(with_outputs(model, names).SerializeToString(), level="none")
    values, nothing = ({"x": each} | run_session(session, names, {"x": each}) for each in (x, 0 * x))
    start = np.random.default_rng(2).integers(-3, 4, values[g.last].shape).astype(np.int32)
    moved = Moved(values, dict(flow.constants), {g.last: start})
    ops: list[Op] = list(flow.ops)
    for op in reversed(ops):
        RULES[op.kind].apply(op, moved)  # type: ignore[arg-type]
    forward = np.sum(start * (values[g.last] - nothing[g.last]), dtype=np.float64)  # constants in between cancel
    assert forward == np.sum(moved.contributions["x"] * x, dtype=np.float64)
    assert moved.contributions["x"].shape == x.shape
    assert moved.contributions["x"].any()
