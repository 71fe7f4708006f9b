"""The software stacks that models are recorded on: runtime, exporter, and optimisation level."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from hubslice.core.errors import LineageError

Exporter = Literal["optimised", "plain", "script"]


@dataclass(frozen=True)
class Stack:
    """`exporter` is None if no graph is exported; `level` is ONNX Runtime's, or "compiled" or "eager" for torch."""

    name: str
    title: str
    exporter: Exporter | None
    level: Literal["eager", "compiled", "none", "all"]


STACKS = {
    stack.name: stack
    for stack in (
        Stack("eager", "PyTorch, eager", None, "eager"),
        Stack("compiled", "PyTorch, torch.compile", None, "compiled"),
        Stack("ort-none", "ONNX Runtime, not optimised; exported as hubslice does", "optimised", "none"),
        Stack("ort-all", "ONNX Runtime, optimised; exported as hubslice does", "optimised", "all"),
        Stack("ort-none-plain", "ONNX Runtime, not optimised; torch's exporter, plain", "plain", "none"),
        Stack("ort-all-plain", "ONNX Runtime, optimised; torch's exporter, plain", "plain", "all"),
        Stack("ort-none-script", "ONNX Runtime, not optimised; TorchScript exporter", "script", "none"),
        Stack("ort-all-script", "ONNX Runtime, optimised; TorchScript exporter", "script", "all"),
    )
}
USUAL = ("eager", "ort-none", "ort-all")
OF_GRAPHS = ("ort-none", "ort-all")  # for a graph given as a file, whatever its exporter


def stacks_named(names: Iterable[str]) -> tuple[Stack, ...]:
    """Return the stacks of these names, without duplicates.

    Raises:
        LineageError: there is no such stack.
    """
    found = dict.fromkeys(names)
    for name in found:
        if name not in STACKS:
            raise LineageError(f"{name!r} is not a stack", hint=f"stacks are {', '.join(STACKS)}; give --stack NAME")
    return tuple(STACKS[name] for name in found)
