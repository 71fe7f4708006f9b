"""The interface between kinds of inputs (images, texts) and code that works with either."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from hubslice.recipe.schema import TrainParams

Raw = TypeVar("Raw")  # one raw input: a Pillow image, a text

Encoded = Mapping[str, Tensor]
"""A batch as exact integers, each tensor [N, ...]: `pixels` uint8 [N, C, H, W], or `input_ids` int64 [N, L] ...

Evidence stores encoded inputs, and checksums are computed from them. `Modality.inputs` converts them to the network's
inputs.
"""


class Modality(ABC, Generic[Raw]):
    """Converts raw inputs of one kind to the tensors of one model.

    A model knows its modality (`Model.modality`), data its rows' cells (`task.cells`). Both use the same `Raw` type.
    """

    one: ClassVar[str]  # the noun for one input
    many: ClassVar[str]
    at_once: ClassVar[int] = 32  # inputs that `Model.predict` gives the network at a time

    @abstractmethod
    def read(self, given: object) -> Iterator[Raw]:
        """Read what a user passed: one input, or several in any iterable; they are read lazily.

        Raises:
            InputError: an item is of another kind.
            DataError: an input cannot be read.
        """

    @abstractmethod
    def encode(self, items: Sequence[Raw]) -> Encoded:
        """Prepare the inputs like the model's stock library; an empty sequence gives tensors of length 0."""

    @abstractmethod
    def augment(self, item: Raw, params: TrainParams, rng: np.random.Generator) -> Encoded:
        """Return one input, augmented at random with the training's settings; [1, ...].

        Random values come only from `rng`, so that the result does not depend on loading order.
        """

    @abstractmethod
    def inputs(self, encoded: Encoded) -> dict[str, Tensor]:
        """Return the network's inputs, by their names in the exported graph."""

    @abstractmethod
    def example(self, samples: int, seed: int) -> dict[str, Tensor]:
        """Return seeded synthetic inputs of the network, in the form of `inputs`."""

    @abstractmethod
    def join(self, parts: Sequence[Encoded]) -> Encoded:
        """Concatenate several batches."""


class Samples(Protocol):
    """Inputs of one model, in order."""

    def __len__(self) -> int: ...

    def encoded(self, start: int, stop: int) -> Encoded:
        """Return inputs `start` to `stop`."""
        ...


@dataclass(frozen=True)
class Held:
    """Samples held in memory."""

    batch: Encoded

    def __len__(self) -> int:
        return len(next(iter(self.batch.values())))

    def encoded(self, start: int, stop: int) -> Encoded:
        """Return inputs `start` to `stop`."""
        return {name: tensor[start:stop] for name, tensor in self.batch.items()}


def placed(
    encoded: Encoded, device: torch.device, layout: torch.memory_format = torch.preserve_format
) -> dict[str, Tensor]:
    """Move the inputs to a device; images [N, C, H, W] get the given memory layout."""
    return {
        name: tensor.to(device, memory_format=layout if tensor.ndim == 4 else torch.preserve_format)
        for name, tensor in encoded.items()
    }
