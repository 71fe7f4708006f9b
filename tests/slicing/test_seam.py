"""The search's choice among its epochs, with accuracies as scripted; its resume; what it refuses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import Tensor

from hubslice.core.errors import SliceError
from hubslice.core.progress import Silent
from hubslice.core.rate import Rate
from hubslice.graph.channels import channel_map
from hubslice.modality.modality import Encoded
from hubslice.models.timm_adapter import TimmModel
from hubslice.recipe.seam import SeamParams
from hubslice.slicing.gates import ChannelGates, WeightGates
from hubslice.slicing.seam import SearchHistory, search

# Strong enough that every epoch of two steps closes more gates, whatever the loss says.
PUSH = {"alpha": 1e6, "lr_mask": 0.1, "head_epochs": 1}


def batches(epoch: int, steps: int) -> Iterator[tuple[Encoded, Tensor]]:
    generator = torch.Generator().manual_seed(epoch)
    for _ in range(steps):
        images = torch.randint(0, 256, (4, 3, 32, 32), generator=generator, dtype=torch.uint8)
        yield {"pixels": images}, torch.tensor([0, 1, 2, 0])


def run(
    folder: Path,
    accuracies: Sequence[float],
    spoil: bool = False,
    channels: bool = False,
    bf16: bool | None = None,
    computed: set[torch.dtype] | None = None,
    steps: int = 2,
    **params: object,
) -> tuple[dict[str, np.ndarray], SearchHistory]:
    """A search whose validation accuracies are those given: first that of the start, then one an epoch."""
    model = TimmModel.create("test_resnet", ("a", "b", "c"), seed=1)
    if spoil:
        with torch.no_grad():
            model.classifier.weight.fill_(torch.inf)
    names = [name for name, tensor in model.module.named_parameters() if tensor.ndim == 4]
    given = SeamParams.model_validate({"method": "seam", **PUSH, "epochs": len(accuracies) - 1, **params})
    left = iter(accuracies)
    groups = channel_map(model).groups if channels else ()
    classifier = model.classifier
    if computed is not None:
        classifier.register_forward_hook(lambda _, __, logits: computed.add(logits.dtype))
    return search(
        model,
        ChannelGates(model.module, groups, model.classifier_parameters())
        if channels
        else WeightGates(model.module, names, by_rank=True),
        given,
        batches=lambda epoch: batches(epoch, steps),
        validate=lambda: Rate(hits=round(next(left) * 1000), total=1000),
        steps=steps,
        seed=0,
        checkpoint=folder / "search.safetensors",
        reporter=Silent(),
        bf16=bf16,
    )


@pytest.mark.slow
def test_the_least_retention_above_the_floor_is_chosen(tmp_path: Path) -> None:
    masks, history = run(tmp_path, [0.1, 0.9, 0.91, 0.9, 0.89, 0.5])
    assert history.whole == history.floor == 0.9  # gates do not count, nor does the untrained classifier
    assert history.chosen == 2
    retentions = [epoch.retention for epoch in history.epochs]
    assert retentions == sorted(retentions, reverse=True)
    assert np.mean(np.concatenate([mask.reshape(-1) for mask in masks.values()])) == pytest.approx(retentions[2])
    _, history = run(tmp_path / "other", [0.1, 0.9, 0.91, 0.9, 0.89, 0.5], max_accuracy_drop=0.02)
    assert (history.floor, history.chosen) == (pytest.approx(0.88), 3)


def test_where_no_epoch_keeps_the_floor_accuracy_minus_retention_counts(tmp_path: Path) -> None:
    _, history = run(tmp_path, [0.99, 0.9, 0.8, 0.7, 0.69])
    gains = [float(epoch.validation.value or 0) - epoch.retention for epoch in history.epochs]
    assert history.chosen == int(np.argmax(gains))


@pytest.mark.parametrize(("bf16", "dtype"), [(None, torch.float32), (True, torch.bfloat16), (False, torch.float32)])
@pytest.mark.parametrize("channels", [False, True])
def test_steps_compute_in_the_precision_asked_for(
    tmp_path: Path, bf16: bool | None, dtype: torch.dtype, channels: bool
) -> None:
    computed = set[torch.dtype]()
    _, history = run(tmp_path, [0.1, 0.9, 0.9, 0.9], bf16=bf16, computed=computed, channels=channels, lr_mask=0.6)
    assert computed == {dtype}
    assert history.epochs[-1].retention < 1


def test_a_target_stops_the_search(tmp_path: Path) -> None:
    _, history = run(tmp_path, [0.1, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9], retention=0.7)
    assert len(history.epochs) < 6
    assert history.chosen == len(history.epochs) - 1
    assert history.epochs[-1].retention <= 0.7 < history.epochs[-2].retention


@pytest.mark.slow
def test_gates_stay_where_they_met_the_target(tmp_path: Path) -> None:
    """Twenty times as many steps in an epoch must not take twenty times as much."""
    few, many = (run(tmp_path / str(n), [0.1] + 5 * [0.9], retention=0.7, steps=n)[1].result for n in (2, 40))
    assert 0.6 < many.retention <= 0.7
    assert abs(many.retention - few.retention) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("channels", [False, True])
def test_a_start_by_gradients_is_found_in_the_last_head_epoch(tmp_path: Path, channels: bool) -> None:
    accuracies = [0.1, 0.9, 0.9, 0.9]
    given = {"channels": channels, "start": "gradient", "head_epochs": 2, "alpha": 1.0, "lr_mask": 1e-9}
    run(tmp_path, accuracies, **given)
    found = load_file(tmp_path / "search.safetensors")
    names = [name for name in found if name.startswith("model/score")]
    ranks = np.concatenate([found[name].reshape(-1) for name in names])
    assert np.sort(ranks) == pytest.approx(np.arange(1, ranks.size + 1) / ranks.size, abs=1e-5)
    with pytest.raises(StopIteration):  # killed when the last head epoch is done: what was watched is not lost
        run(tmp_path / "killed", accuracies[:3], **given, epochs=3)
    run(tmp_path / "killed", accuracies[3:], **given, epochs=3)
    again = load_file(tmp_path / "killed" / "search.safetensors")
    assert all(np.array_equal(found[name], again[name]) for name in names)


def test_what_was_reached_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        SliceError, match=r"0\.1% was not reached in 2 epochs; the least was .* 88\.0% validation"
    ) as told:
        run(tmp_path, [0.1, 0.9, 0.88], retention=0.001)
    assert "slice.epochs" in (told.value.hint or "")
    with pytest.raises(
        SliceError, match=r"accuracy was 70\.0%, and 88\.0% is the floor; the least retention that kept"
    ):
        run(tmp_path / "floor", [0.1, 0.9, 0.89, 0.7, 0.7, 0.7, 0.7], retention=0.7, max_accuracy_drop=0.02)


def test_a_search_without_a_loss_is_told(tmp_path: Path) -> None:
    with pytest.raises(SliceError, match="diverged in epoch 1"):
        run(tmp_path, [0.1, 0.9, 0.9], spoil=True)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [False, True])
@pytest.mark.parametrize("done", [1, 2])  # after the classifier's own epoch, and after the first of the gates
def test_a_killed_search_goes_on(tmp_path: Path, done: int, channels: bool) -> None:
    accuracies = [0.1, 0.9, 0.9, 0.9, 0.9]
    given = {"channels": channels, "epochs": 4, "alpha": 1.0, "lr_mask": 0.3}
    whole, expected = run(tmp_path / "whole", accuracies, **given)
    with pytest.raises(StopIteration):  # killed when it asks for the next epoch's accuracy
        run(tmp_path / "killed", accuracies[: done + 1], **given)
    again, history = run(tmp_path / "killed", accuracies[done + 1 :], **given)
    assert history == expected
    for name, mask in whole.items():
        assert np.array_equal(mask, again[name])
