"""The interface of rules: how contributions get from an operator's output to its inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from hubslice.tracing.op import Op
from hubslice.tracing.selection import Numbers


class Kernels(Protocol):
    """The loops over live outputs: `kernels` compiled for the CPU, `accelerated` for other devices."""

    def weighted_sums(
        self,
        deltas: np.ndarray,
        weights: np.ndarray,
        signs: np.ndarray,
        sources: np.ndarray,
        synapses: np.ndarray,
        strides: tuple[int, int],
        dilations: tuple[int, int],
        pads: tuple[int, int],
        numbers: Numbers,
    ) -> None:
        """Trace convolutions, and matrix products as convolutions of one pixel."""

    def products(
        self,
        left: np.ndarray,
        right: np.ndarray,
        left_factors: np.ndarray,
        right_factors: np.ndarray,
        signs: np.ndarray,
        left_back: np.ndarray,
        right_back: np.ndarray,
        numbers: Numbers,
    ) -> None:
        """Trace products of two activations."""

    def rows(self, fields: np.ndarray, signs: np.ndarray, back: np.ndarray, numbers: Numbers) -> None:
        """Trace neurons that each have their own field."""


class Trace(Protocol):
    """One batch on its way back through the graph, as seen by the rules. Arrays have the graph's own layout."""

    samples: int
    numbers: Numbers
    kernels: Kernels

    def value(self, name: str) -> np.ndarray:
        """Return a tensor or a constant."""

    def mean(self, name: str) -> np.ndarray:
        """Return the tensor's mean, in the tensor's shape."""

    def delta(self, name: str) -> np.ndarray:
        """Return the tensor's deviation from its mean, float32."""

    def signs(self, name: str) -> np.ndarray:
        """Return sign of CONTRIB times sign of the deviation, int8; 0 for neurons without contribution or deviation."""

    def contribution(self, name: str) -> np.ndarray:
        """Return the CONTRIB of an output, int32."""

    def give(self, name: str, contribution: np.ndarray) -> None:
        """Add to an input's CONTRIB; broadcast axes are summed."""

    def use(self, op: Op, contribution: np.ndarray) -> None:
        """Add to the CONTRIB of the weights of `op`, int32 in the shape of the weight operand."""

    def wants_synapses(self, op: Op) -> bool:
        """Return whether the contributions of these weights are requested."""


def nothing(op: Op) -> tuple[str, ...]:
    """Return no names, for rules that need no values."""
    return ()


@dataclass(frozen=True)
class Rule:
    """`apply` passes contributions back through one operator; it needs the `values` and `deltas` of these tensors."""

    apply: Callable[[Op, Trace], None]
    values: Callable[[Op], tuple[str, ...]] = field(default=nothing)
    deltas: Callable[[Op], tuple[str, ...]] = field(default=nothing)
