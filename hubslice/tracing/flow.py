"""Select the operators of a folded graph that contributions pass through, and the tensors that their rules need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import numpy_helper

from hubslice.core.errors import ExplainError, RuleError
from hubslice.graph.program import Program
from hubslice.tracing.op import Op, Shapes, attributes
from hubslice.tracing.rules import RULES
from hubslice.tracing.rules.pointwise import FUNCTIONS

WEIGHTED = frozenset({"Conv", "Gemm", "MatMul"})
JOINING = frozenset({"Add", "Sub", "Mul", "Div", "Min", "Max"})


@dataclass(frozen=True)
class Flow:
    """Operators in graph order; `values` and `deltas` are the tensors that their rules need.

    `leaves` are where contributions end: real-valued inputs, and `embeddings` of tokens. `layers` are the operators
    with weights, whose outputs are the neurons and whose weights are the synapses of a slice. `earlier` are operators
    before those of `ops`, which are not traced.
    """

    ops: tuple[Op, ...]
    leaves: tuple[str, ...]
    embeddings: frozenset[str]
    output: str
    constants: Mapping[str, np.ndarray]
    shapes: Shapes
    earlier: tuple[Op, ...] = ()

    @property
    def layers(self) -> tuple[Op, ...]:
        """Operators that apply weights to an activation."""
        return tuple(op for op in self.ops if op.kind in WEIGHTED and op.inputs[1] in self.constants)

    @property
    def values(self) -> tuple[str, ...]:
        """Tensors whose values are needed, with or without deviations; without constants."""
        looked_at = (name for op in self.ops if not _passes(op) for name in RULES[op.kind].values(op))
        return tuple(name for name in dict.fromkeys([*looked_at, *self.deltas]) if name not in self.constants)

    @property
    def deltas(self) -> tuple[str, ...]:
        """Tensors whose deviations from their means are needed."""
        looked_at = (name for op in self.ops if not _passes(op) for name in RULES[op.kind].deltas(op))
        return tuple(name for name in dict.fromkeys(looked_at) if name not in self.constants)


def find_flow(model: Any, shapes: Shapes, kinds: Mapping[str, np.dtype[Any]], output: str) -> Flow:
    """Return the flow back from `output` of a folded graph. `shapes` and `kinds` are measured tensor sizes and dtypes.

    Raises:
        RuleError: an operator on the path has no rule.
        ExplainError: there is no path from the output to an input.
    """
    graph = Program(model)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    leaves = {name for name in graph.inputs if _real(kinds, name)}
    carrying = set(leaves)
    for node in graph.nodes:
        looked_up = node.op_type == "Gather" and node.input[0] in constants and node.input[1] not in constants
        if looked_up and _real(kinds, node.output[0]) and constants[node.input[0]].ndim > 1:
            leaves.add(node.output[0])
            carrying.add(node.output[0])
        elif not carrying.isdisjoint(_inputs(node)):
            # Values that are not tensors (sequences of them) are included: their operators have no rule, which must be
            # reported.
            carrying.update(name for name in node.output if name and (name not in kinds or _real(kinds, name)))
    needed, nodes = {output}, []
    for node in reversed(graph.nodes):
        if needed.isdisjoint(node.output) or carrying.isdisjoint(node.output) or not leaves.isdisjoint(node.output):
            continue
        if node.op_type not in RULES:
            raise _without_rule(node)
        nodes.append(node)
        needed.update(name for name in _inputs(node) if name in carrying)
    reached = tuple(name for name in (*graph.inputs, *graph.producer) if name in leaves & needed)
    if not reached or not nodes:
        raise ExplainError(
            f"nothing leads from {output} back to an input of real numbers or to an embedding",
            hint="dynamic slicing explains classifiers of images and text",
        )
    roots: dict[str, str] = {}
    ops = []
    for node in reversed(nodes):
        op = Op(
            node.op_type,
            node.name or node.output[0],
            _inputs(node),
            tuple(node.output),
            attributes(node),
            constants,
            frozenset(carrying),
            roots,
            shapes,
        )
        root = _root(op, roots, shapes)
        if root is not None:
            roots[op.output] = root
        ops.append(op)
        if shapes.pairs(op.output):
            raise RuleError(
                f"{op.kind} ({op.name}) compares the samples of a batch with each other",
                hint="the network's answer to one depends on the others; dynamic slicing explains one at a time",
            )
        for name in () if _passes(op) else RULES[op.kind].deltas(op):
            if name not in constants and shapes.repeats(name) is None:
                raise RuleError(
                    f"{op.kind} ({op.name}) looks at {name}, whose first axis is not that of the samples",
                    hint="dynamic slicing keeps the means of tensors whose first axis is the batch",
                )
    return Flow(tuple(ops), reached, frozenset(reached) - set(graph.inputs), output, constants, shapes)


def _inputs(node: Any) -> tuple[str, ...]:
    """Return the node's inputs, except one of which only the type matters."""
    return tuple(node.input[:1] if node.op_type == "CastLike" else node.input)


def _real(kinds: Mapping[str, np.dtype[Any]], name: str) -> bool:
    return name in kinds and np.issubdtype(kinds[name], np.floating)


def _root(op: Op, roots: Mapping[str, str], shapes: Shapes) -> str | None:
    """Return the tensor of which the output is an elementwise function, if there is one."""
    if op.kind not in JOINING and op.kind not in FUNCTIONS:
        return None
    found = {roots.get(name, name) for name in op.carried}
    root = found.pop()
    return root if not found and shapes.two[root] == shapes.two[op.output] else None


def _passes(op: Op) -> bool:
    return op.output in op.roots


def _without_rule(node: Any) -> RuleError:
    return RuleError(
        f"dynamic slicing has no rule for the operator {node.op_type} (node {node.name or node.output[0]})",
        hint="a model without it can be explained; the rules are in hubslice/tracing/rules, one function each",
    )
