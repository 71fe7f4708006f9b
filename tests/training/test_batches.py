"""Batches of an epoch: every sample in one of them, none alone; and models that batches of one cannot train."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hubslice.core.errors import DataError, RecipeError
from hubslice.models.base import Model
from hubslice.recipe.schema import TrainParams
from hubslice.training.batches import EpochBatches
from hubslice.training.single import check_batches, refuses_one
from tests.networks import by_hand, from_timm


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 8, 16, 64])
@pytest.mark.parametrize("samples", [3, 5, 16, 17, 31, 33, 65, 127])
def test_every_sample_is_in_one_batch_of_every_epoch(samples: int, size: int, world: int) -> None:
    ranks = [EpochBatches(samples, size, 7, rank=rank, world=world) for rank in range(world)]
    for epoch in (0, 1):
        for batches in ranks:
            batches.epoch = epoch
        shares = [list(batches) for batches in ranks]
        assert {len(share) for share in shares} == {ranks[0].steps} == {len(ranks[0])}
        seen = [position for share in shares for batch in share for _, position in batch]
        assert sorted(seen) == list(range(samples))
        sizes = [sum(len(share[step]) for share in shares) for step in range(ranks[0].steps)]
        assert sizes == [ranks[0].size(step) for step in range(ranks[0].steps)]
        assert max(sizes) - min(sizes) <= 1
        assert max(sizes) <= max(min(size, samples), world) + world
        assert min(len(batch) for share in shares for batch in share) == ranks[0].least
        if min(size, samples) >= 2 * world:
            assert ranks[0].least >= 2
        for step in range(ranks[0].steps):  # the mean over processes is that over samples
            parts = [len(share[step]) for share in shares]
            weights = [batches.weight(step) for batches in ranks]
            assert weights == pytest.approx([part * world / sum(parts) for part in parts])


def test_batches_are_whole_where_they_fit() -> None:
    batches = EpochBatches(48, 16, 0)
    assert [len(batch) for batch in batches] == [16, 16, 16]
    assert batches.weight(0) == 1


@pytest.mark.parametrize(("samples", "size", "sizes"), [(17, 16, [8, 9]), (5, 2, [2, 3]), (3, 2, [3]), (1, 64, [1])])
def test_one_sample_is_never_left_to_itself(samples: int, size: int, sizes: list[int]) -> None:
    assert [len(batch) for batch in EpochBatches(samples, size, 0)] == sizes


def test_a_resumed_epoch_goes_on_with_the_same_batches() -> None:
    whole, resumed = EpochBatches(21, 4, 3), EpochBatches(21, 4, 3)
    resumed.skip = 2
    assert list(resumed) == list(whole)[2:]
    assert len(resumed) == len(whole) - 2


def test_fewer_samples_than_processes_are_refused() -> None:
    with pytest.raises(DataError, match="too few for 4 processes"):
        EpochBatches(3, 16, 0, rank=0, world=4)


def single_pixels() -> Model:
    """Batch normalisation over one pixel: the classifier's own."""
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return by_hand(nn.Sequential(body, nn.BatchNorm1d(4), nn.Linear(4, 3)))


def test_who_cannot_be_trained_on_one_image_is_told_with_the_layer() -> None:
    model = single_pixels()
    before = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    state = torch.get_rng_state()
    assert refuses_one(model) == "1"
    assert refuses_one(from_timm("test_resnet", 64)) is None
    assert torch.equal(torch.get_rng_state(), state)
    assert not model.module.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.module.state_dict().items())


@pytest.mark.parametrize(
    ("options", "samples", "world", "hint"),
    [
        ({"batch_size": 1}, 10, 1, "set train.batch_size to 2 or more"),
        ({"batch_size": 64}, 1, 1, "give more training samples"),
        ({"batch_size": 2}, 10, 2, "set train.batch_size to 4 or more"),
    ],
)
def test_the_reason_for_a_batch_of_one_is_told(options: dict[str, int], samples: int, world: int, hint: str) -> None:
    model, params = single_pixels(), TrainParams(**options)
    batches = EpochBatches(samples, params.batch_size, 0, world=world)
    with pytest.raises(RecipeError, match="sees one value of each channel") as caught:
        check_batches(model, params, batches)
    assert hint in str(caught.value.hint)
    assert caught.value.exit_code == 2
    check_batches(model, params.model_copy(update={"part": "classifier"}), batches)
    check_batches(model, params.model_copy(update={"epochs": 0}), batches)
    check_batches(model, params.model_copy(update={"batch_size": 4}), EpochBatches(9, 4, 0))
