"""What a model's inputs are: the one seam between images, texts and all code that does not care which they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from hubslice.recipe.schema import TrainParams

Raw = TypeVar("Raw")  # one input as data holds it: an image of Pillow, a text

Encoded = Mapping[str, Tensor]
"""A batch as exact whole numbers, each tensor [N, ...]: `pixels` uint8 [N, C, H, W], or `input_ids` int64 [N, L] ...

Encoded inputs are what evidence stores and checksums are taken of. `Modality.inputs` makes of them what a network
takes.
"""


class Modality(ABC, Generic[Raw]):
    """How raw inputs of one kind become the tensors that one model takes.

    A model knows its modality (`Model.modality`), data its rows' cells (`task.cells`). Both agree on `Raw`.
    """

    one: ClassVar[str]  # what an input is called
    many: ClassVar[str]

    @abstractmethod
    def read(self, given: object) -> Iterator[Raw]:
        """What a user hands over: one input, or several in any iterable; they are read one after the other.

        Raises:
            InputError: it is something else.
            DataError: an input cannot be read.
        """

    @abstractmethod
    def encode(self, items: Sequence[Raw]) -> Encoded:
        """The inputs as the model's stock library prepares them; of none, tensors of length 0."""

    @abstractmethod
    def augment(self, item: Raw, params: TrainParams, rng: np.random.Generator) -> Encoded:
        """One input, changed at random as the training asks for; [1, ...].

        What is drawn comes from `rng` alone, so that it does not depend on the order of loading.
        """

    @abstractmethod
    def inputs(self, encoded: Encoded) -> dict[str, Tensor]:
        """What the network takes, by the name of the input in its exported graph."""

    @abstractmethod
    def example(self, samples: int, seed: int) -> dict[str, Tensor]:
        """Seeded inputs of the network that are none of any data, as `inputs` gives them."""

    @abstractmethod
    def join(self, parts: Sequence[Encoded]) -> Encoded:
        """Several batches as one."""


class Samples(Protocol):
    """Inputs of one model, in order."""

    def __len__(self) -> int: ...

    def encoded(self, start: int, stop: int) -> Encoded:
        """Inputs `start` to `stop`."""
        ...


@dataclass(frozen=True)
class Held:
    """Samples that are in memory."""

    batch: Encoded

    def __len__(self) -> int:
        return len(next(iter(self.batch.values())))

    def encoded(self, start: int, stop: int) -> Encoded:
        """Inputs `start` to `stop`."""
        return {name: tensor[start:stop] for name, tensor in self.batch.items()}


def placed(
    encoded: Encoded, device: torch.device, layout: torch.memory_format = torch.preserve_format
) -> dict[str, Tensor]:
    """The inputs on a device; images [N, C, H, W] in a memory layout."""
    return {
        name: tensor.to(device, memory_format=layout if tensor.ndim == 4 else torch.preserve_format)
        for name, tensor in encoded.items()
    }
