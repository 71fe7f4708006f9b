"""Training batches whose content depends on (seed, epoch, sample) alone, so that a resumed run repeats them exactly."""

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

# Changes a sample on its way to training, e.g. plants a trigger: (position, encoded, label) -> (encoded, label).
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
        """Samples as one batch: encoded [N, ...] and class indices int64 [N]."""
        return self.modality.join([encoded for encoded, _ in samples]), torch.tensor([label for _, label in samples])


class EpochBatches(Sampler[list[tuple[int, int]]]):
    """Batches of one epoch in seeded order; `epoch` and `skip` (batches already done) are set before iterating.

    Every sample is in one batch of every epoch. Where the batch size does not divide their number, batches are a little
    smaller than it, and of sizes that differ by one at the most: a small last batch would count for more than others in
    the gradients, and a batch of one sample breaks batch normalisation. Where batches of that size would leave one
    sample to itself, as two of five do, some have one more.
    Among `world` processes each takes its share of every batch, so that the batch size stays that of the recipe.
    """

    def __init__(self, samples: int, batch_size: int, seed: int, *, rank: int = 0, world: int = 1) -> None:
        if samples < world:
            raise DataError(
                f"{samples} training samples are too few for {world} processes",
                hint="start fewer",
            )
        self.samples, self.seed = samples, seed
        size = max(min(batch_size, samples) // world, 1) * world
        fewest = min(2 * world, size)  # in a batch: a process should not have to do with a single sample
        self.steps = max(1, min(math.ceil(samples / size), samples // fewest))
        self._ends = [samples * step // self.steps for step in range(self.steps + 1)]
        self.rank, self.world = rank, world
        self.epoch, self.skip = 0, 0

    def size(self, step: int) -> int:
        """Samples in a batch of the epoch, those of all processes together."""
        return self._ends[step + 1] - self._ends[step]

    def weight(self, step: int) -> float:
        """What this process's share of a batch counts in the mean over processes: 1 where all shares are equal."""
        whole = self.size(step)
        return len(range(self.rank, whole, self.world)) * self.world / whole

    @property
    def least(self) -> int:
        """Samples in the smallest share of a batch that any process gets."""
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
    """Loads the batches, in processes of its own where they feed a GPU or the recipe asks for them."""
    workers = params.workers if params.workers is not None else (0 if device.type == "cpu" else 4)
    return DataLoader(samples, batch_sampler=batches, collate_fn=samples.collate, num_workers=workers)
