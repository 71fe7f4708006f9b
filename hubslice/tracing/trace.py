"""Trace one batch back through the graph: from +1 at the target output to all neurons and synapses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hubslice.core.errors import ExplainError
from hubslice.tracing import kernels
from hubslice.tracing.flow import Flow
from hubslice.tracing.means import Means
from hubslice.tracing.op import Op
from hubslice.tracing.rules import RULES
from hubslice.tracing.rules.rule import Kernels
from hubslice.tracing.selection import Selection

# Called with a tensor's name and its complete CONTRIB, int32 in the tensor's shape.
Watch = Callable[[str, np.ndarray], None]
# Called with a layer and the CONTRIB of its weights over the batch, int32 in the shape of the weight operand.
Use = Callable[[Op, np.ndarray], None]


class BatchTrace:
    """The `Trace` that rules work on. Contributions are int32, so their sums do not depend on the order."""

    def __init__(
        self,
        flow: Flow,
        values: dict[str, np.ndarray],
        means: Means,
        selection: Selection,
        use: Use | None = None,
        device: str = "cpu",
    ) -> None:
        logits = values[flow.output]
        self.samples = len(logits)
        self.numbers = selection.numbers
        self.kernels = kernels_for(device)
        self._cancel = selection.cancel
        self._flow = flow
        self._values = values
        self._means = means
        self._rows = means.rows(logits.reshape(len(logits), -1).argmax(axis=1))
        self._use = use
        self._contributions: dict[str, np.ndarray] = {}
        for name in flow.values:
            if name in flow.deltas and not np.isfinite(values[name]).all():
                raise ExplainError(
                    f"the model computes values that are not finite numbers on these inputs: {name} is not finite",
                    hint="its weights or the inputs are damaged, or its training diverged",
                )

    def run(self, targets: np.ndarray, watch: Watch) -> None:
        """Trace each sample back from its target, an index into the output [N]."""
        start = np.zeros(self._flow.shapes.at(self._flow.output, self.samples), np.int32)
        start[np.arange(self.samples), targets] = 1
        self._contributions[self._flow.output] = start
        for op in reversed(self._flow.ops):
            if any(name in self._contributions for name in op.outputs):
                for name in op.outputs:
                    if name in self._contributions:
                        watch(name, self._contributions[name])
                root = op.roots.get(op.output)
                if root is not None:
                    self.give(root, self._contributions[op.output])
                else:
                    RULES[op.kind].apply(op, self)
                for name in op.outputs:
                    self._contributions.pop(name, None)
        for name in self._flow.leaves:
            watch(name, self.contribution(name))

    def value(self, name: str) -> np.ndarray:
        found = self._flow.constants.get(name)
        return self._values[name] if found is None else found

    def mean(self, name: str) -> np.ndarray:
        return np.broadcast_to(self._means.of(name, self._rows, self._flow.shapes), self._values[name].shape)

    def delta(self, name: str) -> np.ndarray:
        if name in self._flow.constants:
            return np.zeros((), np.float32)
        found: np.ndarray = self._values[name] - self._means.of(name, self._rows, self._flow.shapes)
        return found

    def signs(self, name: str) -> np.ndarray:
        signs: np.ndarray = np.sign(self.contribution(name)).astype(np.int8)
        signs *= np.sign(self.delta(name)).astype(np.int8)
        return signs if self._cancel else np.abs(signs)

    def contribution(self, name: str) -> np.ndarray:
        found = self._contributions.get(name)
        return np.zeros(self._flow.shapes.at(name, self.samples), np.int32) if found is None else found

    def give(self, name: str, contribution: np.ndarray) -> None:
        shape = self._flow.shapes.at(name, self.samples)
        if contribution.shape != shape:
            contribution = _summed(contribution, shape)
        known = self._contributions.get(name)
        if known is None:
            self._contributions[name] = np.array(contribution, np.int32)
        else:
            known += contribution

    def use(self, op: Op, contribution: np.ndarray) -> None:
        if self._use is not None:
            self._use(op, contribution)

    def wants_synapses(self, op: Op) -> bool:
        return self._use is not None


def kernels_for(device: str) -> Kernels:
    """Return the loops for a device: those in PyTorch for CUDA, else the compiled ones."""
    if not device.startswith("cuda"):
        return kernels
    from hubslice.tracing.accelerated import TorchKernels

    return TorchKernels(device)


def _summed(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sum over the axes that were broadcast from `shape`."""
    extra = array.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(
        axis + extra for axis, size in enumerate(shape) if size == 1 and array.shape[axis + extra] != 1
    )
    total: np.ndarray = array.sum(axis=axes, dtype=np.int32)
    return total.reshape(shape)
