"""Two classifiers as a search sees them: inputs go in, log-probabilities come out."""

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

NEAR_ONE = 0.02  # sums of quantised probabilities may be off by as much
AGAIN = "make it again; `hubslice latency` tells whether it runs at all"
TINY = 1e-12  # probability that is as good as none

Outputs = Literal["logits", "probabilities"]
In = TypeVar("In")


@dataclass(frozen=True)
class Predictor(ABC):
    """A classifier, of PyTorch or ONNX Runtime, asked about inputs as a search has them: arrays."""

    one: ClassVar[str]  # what an input is called

    name: str
    labels: tuple[str, ...]
    outputs: Outputs

    @abstractmethod
    def call(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """The classifier's output, float [n, classes], for n inputs.

        Raises:
            ModelError: it fails.
            MemoryShortError: memory did not suffice.
        """

    def logs(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """Logarithms of the probabilities, float64 [n, classes], softmax applied to logits.

        Raises:
            ModelError: the model fails, or gives values that are not finite.
            MemoryShortError: memory did not suffice.
        """
        return log_probabilities(self.name, self.call(inputs), (len(inputs), len(self.labels)), self.outputs, self.one)


def log_probabilities(name: str, found: np.ndarray, shape: tuple[int, int], outputs: Outputs, one: str) -> np.ndarray:
    """Logarithms of the probabilities, float64 [n, classes], of a model's output for n inputs.

    Raises:
        ModelError: it has not this shape, or holds values that are not finite.
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
    """The model's output as float64; `told` says what the inputs are, `hint` what to do where the model fails.

    Raises:
        ModelError: it fails.
        MemoryShortError: memory did not suffice.
    """
    try:
        return np.asarray(run(inputs), np.float64)
    except HubsliceError:
        raise
    except Exception as error:  # neither PyTorch nor ONNX Runtime documents a closed set of errors
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
    """Whether a model's outputs are probabilities: no value below 0, and the sum of each row 1."""
    alike = found.ndim == 2 and found.min() >= -1e-6 and bool((np.abs(found.sum(axis=1) - 1) < NEAR_ONE).all())
    return "probabilities" if alike else "logits"


P = TypeVar("P", bound=Predictor, covariant=True)


@dataclass(frozen=True)
class Pair(Generic[P]):
    """Two classifiers of one kind of inputs, and what they are compared by.

    Both are always called with `chunk` inputs, the last repeated where there are fewer: kernels round otherwise at
    another size, and what is found for a seed must not depend on how many are searched.
    """

    a: P
    b: P
    shared: SharedLabels
    kind: InputKind
    chunk: int

    def ask(self, inputs: Sequence[np.ndarray] | np.ndarray) -> list[Answers]:
        """Both models' answers to inputs, images uint8 [C, H, W] of the first one's size or texts as code points."""
        found: list[Answers] = []
        for start in range(0, len(inputs), self.chunk):
            part = list(inputs[start : start + self.chunk])
            filled = part + part[-1:] * (self.chunk - len(part))
            a = self.shared.fold(self.a.logs(filled), self.shared.a)
            b = self.shared.fold(self.b.logs(filled), self.shared.b)
            found += [Answers(a[at], b[at]) for at in range(len(part))]
        return found

    def alone(self, item: np.ndarray) -> Answers:
        """Their answers to one input that is in no batch."""
        return replace(self, chunk=1).ask([item])[0]
