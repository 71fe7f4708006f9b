"""Models with random weights: the same for the same seed, saved as the library loads them."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
import transformers

from hubslice.core.errors import ModelError
from hubslice.models.folder import load_model
from hubslice.models.from_architecture import create_model
from hubslice.recipe.schema import Argument, TeacherParams

RESNET: dict[str, Argument] = {
    "layer_type": "basic",
    "depths": (1, 1),
    "embedding_size": 8,
    "hidden_sizes": (8, 16),
}
KINDS: dict[str, dict[str, Argument]] = {
    "test_resnet": {},
    "hubslice_vgg": {"widths": (8, 16), "depths": (1, 2)},
    "transformers:resnet": RESNET,
}


def made(model: str, seed: int = 0) -> TeacherParams:
    return TeacherParams(model=model, weights="random", arguments=KINDS[model], input_size=32)


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides_the_weights(kind: str) -> None:
    first, again, other = (create_model(made(kind), seed).module.state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_saved_is_what_stock_code_and_hubslice_load(kind: str, tmp_path: Path) -> None:
    model = create_model(made(kind), 0)
    model.reset_classifier(("a", "b", "c"), 0)
    model.save(tmp_path)
    loaded = load_model(tmp_path)
    pixels = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert loaded.labels == ("a", "b", "c")
    assert loaded.image_preprocessing == model.image_preprocessing
    assert torch.equal(loaded.logits(pixels), model.logits(pixels))
    inputs = model.pixels_to_inputs(pixels)
    if kind.startswith("transformers:"):
        stock = transformers.AutoModelForImageClassification.from_pretrained(tmp_path).eval()
        assert torch.equal(stock(inputs).logits, model.forward({"pixel_values": inputs}))
        processor = transformers.AutoImageProcessor.from_pretrained(tmp_path)
        assert processor.size == {"height": 32, "width": 32}
    else:
        assert torch.equal(
            timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()(inputs),
            model.forward({"pixel_values": inputs}),
        )


def test_the_arguments_make_the_architecture() -> None:
    vgg = create_model(made("hubslice_vgg"), 0)
    assert [tuple(p.shape) for p in vgg.module.parameters() if p.ndim == 4] == [
        (8, 3, 3, 3),
        (16, 8, 3, 3),
        (16, 16, 3, 3),
    ]
    assert len(create_model(made("transformers:resnet"), 0).module.config.depths) == 2


def test_an_argument_that_the_config_class_would_swallow() -> None:
    teacher = TeacherParams(model="transformers:resnet", weights="random", arguments={"depth": 3})
    with pytest.raises(ModelError, match="the config of resnet has no 'depth'; did you mean 'depths'"):
        create_model(teacher, 0)
