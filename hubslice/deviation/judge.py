"""Two models as the search sees them: images go in, log-probabilities come out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, TypeVar

import numpy as np

from hubslice.artefacts.model import Preprocessing
from hubslice.core.errors import HubsliceError, MemoryShortError, ModelError
from hubslice.core.foreign_errors import first_line
from hubslice.core.machine import out_of_memory
from hubslice.deviation.answers import Answers
from hubslice.deviation.images import IMAGES
from hubslice.deviation.labels import SharedLabels

PROBE = 8  # images of noise by which a graph's output is recognised
NEAR_ONE = 0.02  # sums of quantised probabilities may be off by as much
AGAIN = "make it again; `hubslice latency` tells whether it runs at all"
TINY = 1e-12  # probability that is as good as none

Outputs = Literal["logits", "probabilities"]
In = TypeVar("In")


@dataclass(frozen=True)
class Judge:
    """A model; `run` gives its output float [n, classes] for pixels float32 in [0, 1], [n, C, H, W]."""

    name: str
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    run: Callable[[np.ndarray], np.ndarray]
    outputs: Outputs

    def logs(self, pixels: np.ndarray) -> np.ndarray:
        """Logarithms of the probabilities, float64 [n, classes], softmax applied to logits.

        Raises:
            ModelError: the model fails, or gives values that are not finite.
            MemoryShortError: memory did not suffice.
        """
        found = called(self.name, self.run, pixels, _told(pixels))
        return log_probabilities(self.name, found, (len(pixels), len(self.labels)), self.outputs, "images")


def log_probabilities(name: str, found: np.ndarray, shape: tuple[int, int], outputs: Outputs, kind: str) -> np.ndarray:
    """Logarithms of the probabilities, float64 [n, classes], of a model's output for inputs of a kind.

    Raises:
        ModelError: it has not this shape, or holds values that are not finite.
    """
    if found.shape != shape:
        raise ModelError(
            f"{name} gives {list(found.shape)} for {shape[0]} {kind}, but has {shape[1]} labels",
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


def recognise(name: str, run: Callable[[np.ndarray], np.ndarray], size: tuple[int, int, int]) -> Outputs:
    """Whether a graph gives probabilities: no value below 0, and each image's sum to 1. Asked about noise.

    Raises:
        ModelError: it fails.
    """
    noise = np.random.default_rng(0).random((PROBE, *size), np.float32)
    return outputs_of(called(name, run, noise, _told(noise)))


def outputs_of(found: np.ndarray) -> Outputs:
    """Whether a model's outputs are probabilities: no value below 0, and the sum of each row 1."""
    alike = found.ndim == 2 and found.min() >= -1e-6 and bool((np.abs(found.sum(axis=1) - 1) < NEAR_ONE).all())
    return "probabilities" if alike else "logits"


@dataclass(frozen=True)
class Pair:
    """Two models, and what they are compared by.

    Both are always called with `chunk` images, the last repeated where there are fewer: kernels round otherwise at
    another size, and what is found for a seed must not depend on how many are searched.
    """

    a: Judge
    b: Judge
    shared: SharedLabels
    chunk: int
    input_kind: ClassVar = IMAGES

    def ask(self, images: Sequence[np.ndarray] | np.ndarray) -> list[Answers]:
        """Both models' answers to images uint8 [n, C, H, W] of the first one's size."""
        found: list[Answers] = []
        for start in range(0, len(images), self.chunk):
            part = np.stack(list(images[start : start + self.chunk]))
            filled = np.concatenate([part, np.repeat(part[-1:], self.chunk - len(part), axis=0)])
            pixels = filled.astype(np.float32) / 255
            a = self.shared.fold(self.a.logs(pixels), self.shared.a)
            b = self.shared.fold(self.b.logs(self.for_b(pixels)), self.shared.b)
            found += [Answers(a[at], b[at]) for at in range(len(part))]
        return found

    def alone(self, image: np.ndarray) -> Answers:
        """Their answers to one image [C, H, W] that is in no batch."""
        return replace(self, chunk=1).ask([image])[0]

    def for_b(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels float32 [n, C, H, W] of the first model's size, at the second one's."""
        height, width = self.b.preprocessing.input_size[1:]
        if pixels.shape[2:] == (height, width):
            return pixels
        import torch

        scaled = torch.nn.functional.interpolate(
            torch.from_numpy(pixels), (height, width), mode="bilinear", antialias=True, align_corners=False
        )
        return scaled.clamp(0, 1).numpy()


def _told(pixels: np.ndarray) -> str:
    return f"images of {' x '.join(map(str, pixels.shape[1:]))}"
