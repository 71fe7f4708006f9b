"""Training batches that depend only on (seed, epoch, sample), so that a resumed run repeats them exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from hubslice.core.errors import DataError
from hubslice.modality.modality import Encoded, Modality
from hubslice.recipe.schema import TrainParams
from hubslice.task.task import Split

# Changes a sample before training, e.g. plants a trigger: (position, encoded, label) -> (encoded, label).
Tamper = Callable[[int, Encoded, int], tuple[Encoded, int]]


class TrainingSamples(Dataset[tuple[Encoded, int]]):
    """Augmented samples of a split: (encoded [1, ...], class index). A key is (epoch, position in the split)."""

    def __init__(
        self, split: Split, modality: Modality[Any], params: TrainParams, seed: int, tamper: Tamper | None = None
    ) -> None:
        self.split, self.modality, self.params = split, modality, params
        self.seed, self.tamper = seed, tamper

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Encoded, int]:
        epoch, position = key
        item = self.split.table.item(self.split.rows[position])
        encoded = self.modality.augment(item, self.params, np.random.default_rng((self.seed, epoch, position)))
        label = int(self.split.targets[position])
        return self.tamper(position, encoded, label) if self.tamper else (encoded, label)

    def collate(self, samples: list[tuple[Encoded, int]]) -> tuple[Encoded, Tensor]:
        """Collate samples to one batch: encoded [N, ...] and class indices int64 [N]."""
        return self.modality.join([encoded for encoded, _ in samples]), torch.tensor([label for _, label in samples])


class EpochBatches(Sampler[list[tuple[int, int]]]):
    """Batches of one epoch in seeded order; `epoch` and `skip` (batches already done) are set before iterating.

    Every sample is in one batch of every epoch. If the batch size does not divide their number, batches are slightly
    smaller, with sizes that differ by at most one: a small last batch would have a larger weight in the gradients, and
    a batch of one sample breaks batch normalisation. Where this would leave a batch of one sample, as for two of five,
    some batches have one more. With `world` processes each gets its share of every batch, so that the recipe's batch
    size is the total.
    """

    def __init__(self, samples: int, batch_size: int, seed: int, *, rank: int = 0, world: int = 1) -> None:
        if samples < world:
            raise DataError(
                f"{samples} training samples are too few for {world} processes",
                hint="start fewer",
            )
        self.samples, self.seed = samples, seed
        size = max(min(batch_size, samples) // world, 1) * world
        fewest = min(2 * world, size)  # in a batch: no process should get a single sample
        self.steps = max(1, min(math.ceil(samples / size), samples // fewest))
        self._ends = [samples * step // self.steps for step in range(self.steps + 1)]
        self.rank, self.world = rank, world
        self.epoch, self.skip = 0, 0

    def size(self, step: int) -> int:
        """Return the number of samples in a batch of the epoch, over all processes."""
        return self._ends[step + 1] - self._ends[step]

    def weight(self, step: int) -> float:
        """Return the weight of this process's share of a batch in the mean over processes: 1 for equal shares."""
        whole = self.size(step)
        return len(range(self.rank, whole, self.world)) * self.world / whole

    @property
    def least(self) -> int:
        """The number of samples in the smallest share of a batch of any process."""
        return min(self.size(step) for step in range(self.steps)) // self.world

    def __len__(self) -> int:
        return self.steps - self.skip

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.samples)
        for step in range(self.skip, self.steps):
            chosen = order[self._ends[step] : self._ends[step + 1]]
            yield [(self.epoch, int(position)) for position in chosen[self.rank :: self.world]]


def loader_of(
    samples: TrainingSamples, batches: EpochBatches, params: TrainParams, device: torch.device
) -> DataLoader[Any]:
    """Load the batches, in separate processes if they feed a GPU or the recipe requests it."""
    workers = params.workers if params.workers is not None else (0 if device.type == "cpu" else 4)
    return DataLoader(samples, batch_sampler=batches, collate_fn=samples.collate, num_workers=workers)
