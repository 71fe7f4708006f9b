"""Pruned and distilled models: what is left of the weights, what they answer, and that a stopped training goes on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import hubslice as package
from hubslice.models.base import Model
from hubslice.models.folder import load_model
from hubslice.training import loop
from hubslice.training.distillation import distillation_loss
from tests.images import write_folder
from tests.interrupting import Interrupting
from tests.terminal.conftest import Hubslice, hubslice
from tests.verbs.detect.small import write_model

__all__ = ["hubslice"]

IMAGES = 150


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "model")
    write_folder(tmp_path / "images", IMAGES)
    return tmp_path


def convolutions(model: Model) -> torch.Tensor:
    return torch.cat([layer.weight.flatten() for layer in model.module.modules() if isinstance(layer, torch.nn.Conv2d)])


def test_pruning_takes_the_smallest_weights_and_nothing_else(place: Path, hubslice: Hubslice) -> None:
    told = hubslice(
        *("convert", "model", "--to", "pruned", "--sparsity", "0.7", "--data", "images"),
        *("--min-agreement", "0", "--json"),
    )
    assert (told.code, told.stderr) == (0, "")
    before, after = load_model(place / "model"), load_model(place / "model-pruned")
    old, new = convolutions(before), convolutions(after)
    kept = new != 0
    assert int(kept.sum()) == len(old) - int(0.7 * len(old)) - 1  # the weight at the limit falls, too
    assert torch.equal(old[kept], new[kept])
    assert old[kept].abs().min() > old[~kept].abs().max()
    assert torch.equal(before.classifier.weight, after.classifier.weight)
    report = json.loads(told.stdout)
    assert report["parameters"]["after"] == sum(int(p.count_nonzero()) for p in after.module.parameters())
    assert report["agreement"]["checked_on"] == "images"
    assert report["agreement"]["agreement"]["total"] == IMAGES // 5


def distil(out: str, **more: object) -> Path:
    arguments = {"widths": [4, 6], "depths": [1, 1]}
    made = package.convert(
        "model",
        "distilled",
        into="hubslice_vgg",
        arguments=arguments,
        data="images",
        epochs=20,
        min_agreement=0.5,
        out=Path(out),
        **more,
    )
    return made.path


@pytest.mark.slow
def test_a_pruned_model_learns_the_answers_and_its_zeros_stay(place: Path) -> None:
    whole = distil("whole")
    options = {"sparsity": 0.8, "data": "images", "min_agreement": 0.0}
    bare = package.convert(whole, "pruned", out=Path("bare"), **options)
    taught = package.convert(whole, "pruned", out=Path("taught"), epochs=8, lr=0.02, **options)
    one, two = load_model(bare.path), load_model(taught.path)
    assert torch.equal(convolutions(one) != 0, convolutions(two) != 0)
    assert not torch.equal(convolutions(one), convolutions(two))
    before, after = (made.made.agreement for made in (bare, taught))
    assert before is not None
    assert after is not None
    assert after.mean_difference < 0.7 * before.mean_difference
    assert not list(place.glob(".*"))


@pytest.mark.slow
def test_a_smaller_model_learns_the_answers(place: Path) -> None:
    made = load_model(distil("small"))
    teacher = load_model(place / "model")
    assert made.parameters < teacher.parameters
    assert (made.labels, made.architecture) == (("red", "green", "blue"), "hubslice_vgg")
    assert made.image_preprocessing.input_size == teacher.image_preprocessing.input_size
    again = load_model(distil("again"))
    assert all(
        torch.equal(one, two) for one, two in zip(made.module.parameters(), again.module.parameters(), strict=True)
    )


@pytest.mark.slow
def test_a_stopped_training_goes_on(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0)
    whole = load_model(distil("whole"))
    with pytest.raises(KeyboardInterrupt):
        distil("cut", reporter=Interrupting("Learn the answers", 4))
    assert not (place / "cut").exists()
    assert [path.name for path in place.glob(".cut.*.unfinished/*")] == ["training.safetensors"]
    resumed = load_model(distil("cut"))
    for one, two in zip(whole.module.parameters(), resumed.module.parameters(), strict=True):
        assert torch.equal(one, two)
    assert not list(place.glob(".*"))


def test_the_loss_is_least_where_answers_are_alike() -> None:
    wanted = torch.tensor([[2.0, 0.0, -1.0]])
    assert float(distillation_loss(wanted + 3, wanted)) == pytest.approx(0, abs=1e-6)  # softmax knows no offset
    p, q = (np.exp(logits / 4) / np.exp(logits / 4).sum() for logits in (np.array([2.0, 0, -1]), np.array([0.0, 1, 1])))
    assert float(distillation_loss(torch.tensor([[0.0, 1, 1]]), wanted)) == pytest.approx(
        16 * (p * np.log(p / q)).sum(), rel=1e-5
    )
