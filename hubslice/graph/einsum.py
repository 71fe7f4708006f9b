"""Rewrite an einsum of two operands as a matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import helper


@dataclass(frozen=True)
class _Letters:
    """The letters of an einsum by the operands in which they occur; each list in the order of the result.

    `shared` are in both operands and the result, `rows` only in the left one, `column` only in the right one, and
    `inner` is summed over. The result's first letter, the sample axis, is in the left operand.
    """

    shared: list[str]
    rows: list[str]
    inner: str
    column: str


def product(node: Any, constants: dict[str, np.ndarray]) -> list[Any] | None:
    """Rewrite an Einsum as MatMul with the required reshapes: "bhlk,bhtk->bhlt", "byhwc,hkc->byhwk".

    Returns None for other forms. Constants that the nodes need are added to `constants`. The samples stay on the first
    axis.
    """
    equation = next(item.s.decode() for item in node.attribute if item.name == "equation").replace(" ", "")
    sides, _, result = equation.partition("->")
    operands = list(zip(sides.split(","), node.input, strict=False))
    if len(operands) != 2 or not result:
        return None
    if result[0] not in operands[0][0]:
        operands.reverse()
    (left, one), (right, other) = operands
    letters = _letters(left, right, result)
    if letters is None:
        return None
    stem, (*others, row) = node.output[0], letters.rows
    first = result[0] in letters.shared
    lead = [*letters.shared, *others] if first else [*others, *letters.shared]
    found: list[Any] = []

    def put(kind: str, name: str, inputs: Sequence[str], **options: Any) -> str:
        found.append(helper.make_node(kind, inputs, [name], name=name, **options))
        return name

    def ordered(name: str, has: str, wanted: Sequence[str], called: str) -> str:
        order = [has.index(letter) for letter in wanted]
        return name if order == sorted(order) else put("Transpose", f"{stem}:{called}", [name], perm=order)

    one = ordered(one, left, [*lead, row, letters.inner], "left")
    other = ordered(other, right, [*letters.shared, letters.inner, letters.column], "turned")
    if first and others:  # the axes that the right operand lacks
        axes = f"{stem}:axes"
        constants[axes] = np.arange(len(letters.shared), len(lead))
        other = put("Unsqueeze", f"{stem}:right", [other, axes])
    made = [*lead, row, letters.column]
    inside = stem if made == list(result) else f"{stem}:product"
    found.append(helper.make_node("MatMul", [one, other], [inside], name=node.name))
    if inside != stem:
        order = [made.index(letter) for letter in result]
        found.append(helper.make_node("Transpose", [inside], [stem], name=f"{stem}:ordered", perm=order))
    return found


def _letters(left: str, right: str, result: str) -> _Letters | None:
    """Return the distribution of the letters; None if it is not a matrix product."""
    if any(not each.isalpha() or len(set(each)) < len(each) for each in (left, right, result)):
        return None
    shared = [letter for letter in result if letter in left and letter in right]
    rows = [letter for letter in result if letter in left and letter not in right]
    columns = [letter for letter in result if letter in right and letter not in left]
    inner = [letter for letter in left if letter in right and letter not in result]
    if len(inner) != 1 or len(columns) != 1 or not rows or result[0] in columns:
        return None
    if len(left) != len(shared) + len(rows) + 1 or len(right) != len(shared) + 2:
        return None
    return _Letters(shared, rows, inner[0], columns[0])
