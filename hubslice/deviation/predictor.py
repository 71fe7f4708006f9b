"""Classifiers for a search: inputs in, log probabilities out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Generic, Literal, TypeVar

import numpy as np

from hubslice.core.errors import HubsliceError, MemoryShortError, ModelError
from hubslice.core.foreign_errors import first_line
from hubslice.core.machine import out_of_memory
from hubslice.core.numbers import amount
from hubslice.deviation.answers import Answers
from hubslice.deviation.labels import SharedLabels
from hubslice.deviation.neighbourhood import InputKind

NEAR_ONE = 0.02  # tolerance for sums of quantised probabilities
AGAIN = "make it again; `hubslice latency` tells whether it runs at all"
TINY = 1e-12  # minimum probability before the logarithm

Outputs = Literal["logits", "probabilities"]
In = TypeVar("In")


@dataclass(frozen=True)
class Predictor(ABC):
    """A classifier, of PyTorch or ONNX Runtime, that takes inputs in the form of a search: arrays."""

    one: ClassVar[str]  # the noun for an input

    name: str
    labels: tuple[str, ...]
    outputs: Outputs

    @abstractmethod
    def call(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """Return the classifier's output, float [n, classes], for n inputs.

        Raises:
            ModelError: it fails.
            MemoryShortError: memory ran out.
        """

    def logs(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """Return log probabilities, float64 [n, classes], with softmax applied to logits.

        Raises:
            ModelError: the model fails, or returns values that are not finite.
            MemoryShortError: memory ran out.
        """
        return log_probabilities(self.name, self.call(inputs), (len(inputs), len(self.labels)), self.outputs, self.one)


def log_probabilities(name: str, found: np.ndarray, shape: tuple[int, int], outputs: Outputs, one: str) -> np.ndarray:
    """Return log probabilities, float64 [n, classes], for a model's output for n inputs.

    Raises:
        ModelError: it does not have this shape, or contains values that are not finite.
    """
    if found.shape != shape:
        raise ModelError(
            f"{name} gives {list(found.shape)} for {amount(shape[0], one)}, but has {shape[1]} labels",
            hint="name a classifier that gives one value for each label",
        )
    if not np.isfinite(found).all():
        raise ModelError(
            f"{name} gives values that are not finite numbers (NaN or infinity)",
            hint="its weights or its quantisation are damaged; make it again",
        )
    if outputs == "probabilities":
        found = np.log(np.maximum(found, TINY))
    shifted = found - found.max(axis=1, keepdims=True)
    logs: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return logs


def called(name: str, run: Callable[[In], np.ndarray], inputs: In, told: str, hint: str = AGAIN) -> np.ndarray:
    """Return the model's output as float64; `told` describes the inputs, `hint` what to do if the model fails.

    Raises:
        ModelError: it fails.
        MemoryShortError: memory ran out.
    """
    try:
        return np.asarray(run(inputs), np.float64)
    except HubsliceError:
        raise
    except Exception as error:  # neither PyTorch nor ONNX Runtime documents which errors it raises
        if out_of_memory(error):
            raise MemoryShortError(
                f"out of memory with {told} ({first_line(error)})",
                hint="use --device cpu, a smaller --input-size, or a machine with more memory",
            ) from error
        raise ModelError(
            f"{name} failed on {told}: {first_line(error)[:300]}",
            hint=hint,
        ) from error


def outputs_of(found: np.ndarray) -> Outputs:
    """Return whether a model's outputs are probabilities: no value below 0, and each row sums to 1."""
    alike = found.ndim == 2 and found.min() >= -1e-6 and bool((np.abs(found.sum(axis=1) - 1) < NEAR_ONE).all())
    return "probabilities" if alike else "logits"


P = TypeVar("P", bound=Predictor, covariant=True)


@dataclass(frozen=True)
class Pair(Generic[P]):
    """Two classifiers with the same kind of inputs, and how their labels are compared.

    Both are always called with `chunk` inputs, repeating the last one if there are fewer: kernels round differently at
    another size, and the result for a seed must not depend on how many are searched.
    """

    a: P
    b: P
    shared: SharedLabels
    kind: InputKind
    chunk: int

    def ask(self, inputs: Sequence[np.ndarray] | np.ndarray) -> list[Answers]:
        """Return both models' answers to inputs.

        Images are uint8 [C, H, W] of the first one's size, texts are code points.
        """
        found: list[Answers] = []
        for start in range(0, len(inputs), self.chunk):
            part = list(inputs[start : start + self.chunk])
            filled = part + part[-1:] * (self.chunk - len(part))
            a = self.shared.fold(self.a.logs(filled), self.shared.a)
            b = self.shared.fold(self.b.logs(filled), self.shared.b)
            found += [Answers(a[at], b[at]) for at in range(len(part))]
        return found

    def alone(self, item: np.ndarray) -> Answers:
        """Return their answers to one input outside of any batch."""
        return replace(self, chunk=1).ask([item])[0]
