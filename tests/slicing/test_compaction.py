"""Compact models: smaller, the same function, and what a model can do they can."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import transformers
from torch import Tensor, nn

from hubslice.artefacts.slice import Slice
from hubslice.core.errors import SliceError
from hubslice.files.names import SHAPES
from hubslice.graph.channel_groups import ChannelMap
from hubslice.graph.channels import channel_map
from hubslice.graph.export import export_onnx
from hubslice.graph.neuron_map import map_neurons
from hubslice.graph.parity import check_parity
from hubslice.graph.trial import zero
from hubslice.models.base import Model
from hubslice.models.folder import load_model, random_model
from hubslice.models.meta_model import meta_model
from hubslice.models.weights import held_shapes
from hubslice.slicing.compaction import compact, removable, without, zeros
from tests.networks import LABELS, NETWORKS, by_hand, fill, from_transformers, logits

pytestmark = pytest.mark.slow


def drop(model: Model, channels: ChannelMap, share: int = 2) -> tuple[Slice, Model]:
    """A slice without the first of every so many units of each group, and the model with those at zero."""
    zeroed = copy.deepcopy(model)
    masks = {n: np.ones(tuple(p.shape), dtype=bool) for n, p in model.module.named_parameters()}
    for group in channels.groups:
        units = list(range(0, group.units - 1, share))
        fill(zeroed, group, units, "makes", 0.0)
        for part in group.makes:
            if part.tensor in masks:
                np.moveaxis(masks[part.tensor], part.axis, 0)[part.entries[units].reshape(-1)] = False
    return Slice(masks, "test"), zeroed


@pytest.fixture(params=NETWORKS)
def model(request: pytest.FixtureRequest) -> Model:
    return NETWORKS[request.param]()


def test_compact_is_the_zeroed_model_and_smaller(model: Model, tmp_path: Path) -> None:
    before = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    channels = channel_map(model)
    slice_, zeroed = drop(model, channels)
    small = compact(model, slice_, channels)
    expected = logits(zeroed)
    torch.testing.assert_close(logits(small), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    assert small.parameters < 0.75 * model.parameters
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.module.state_dict().items())
    small.save(tmp_path)
    assert torch.equal(logits(load_model(tmp_path)), logits(small))


@pytest.fixture(scope="module", params=["test_resnet", "test_byobnet", "test_vit", "hf-resnet"])
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a compact model."""
    model = NETWORKS[request.param]()
    channels = channel_map(model)
    folder = tmp_path_factory.mktemp("compact")
    compact(model, drop(model, channels)[0], channels).save(folder)
    assert (folder / SHAPES).is_file()
    return folder


def test_a_loaded_compact_model_takes_new_classes_and_trains(saved: Path, tmp_path: Path) -> None:
    model = load_model(saved)
    model.reset_classifier(("left", "right"), seed=0)
    model.module.train()
    optimizer = torch.optim.SGD(model.module.parameters(), lr=0.01)
    model.forward(model.example_inputs(4, 0)).square().mean().backward()
    optimizer.step()
    model.module.eval()
    model.save(tmp_path)
    again = load_model(tmp_path)
    assert again.labels == ("left", "right")
    assert torch.equal(logits(again), logits(model))
    assert logits(again).shape == (3, 2)


def test_fresh_random_and_meta_models_have_its_widths(saved: Path) -> None:
    shapes = held_shapes(saved)
    model = load_model(saved)
    fresh, random, on_meta = model.fresh(1), random_model(saved), meta_model(saved, shapes, where="it")
    for other in (fresh, random, on_meta):
        assert {name: tuple(tensor.shape) for name, tensor in other.module.state_dict().items()} == shapes
        assert other.shapes == model.shapes
        assert other.image_preprocessing.input_size == model.image_preprocessing.input_size
    assert all(parameter.device.type == "meta" for parameter in on_meta.module.parameters())
    assert not torch.equal(logits(fresh), logits(model))
    assert torch.equal(logits(fresh), logits(model.fresh(1)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["test_byobnet", "test_vit"])
def test_it_exports_and_every_layer_is_mapped(name: str, tmp_path: Path) -> None:
    full = NETWORKS[name]()
    model = compact(full, drop(full, channels := channel_map(full))[0], channels)
    export_onnx(model.module, model.example_inputs(2, 0), tmp_path / "model.onnx")
    check_parity(model.module, tmp_path / "model.onnx", model.example_inputs(3, 1))
    assert map_neurons(model.module, tmp_path / "model.onnx").unmapped == ()


def test_what_is_compact_can_be_made_more_so(saved: Path, tmp_path: Path) -> None:
    model = load_model(saved)
    channels = channel_map(model)
    slice_, zeroed = drop(model, channels, share=3)
    compact(model, slice_, channels).save(tmp_path)
    again = load_model(tmp_path)
    assert again.parameters < model.parameters
    torch.testing.assert_close(logits(again), logits(zeroed), rtol=0, atol=1e-5 * float(logits(zeroed).abs().max()))


def test_a_model_without_irrelevant_units_stays_stock(tmp_path: Path) -> None:
    model = NETWORKS["test_resnet"]()
    masks = {n: np.ones(tuple(p.shape), dtype=bool) for n, p in model.module.named_parameters()}
    masks["layer1.0.conv1.weight"][::2] = False  # the norm behind it is relevant: nothing is zero as a whole
    (tmp_path / SHAPES).write_text("what an older model left")
    compact(model, Slice(masks, "test")).save(tmp_path)
    assert not (tmp_path / SHAPES).exists()
    stock = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    assert torch.equal(stock(model.example_inputs(3, 5)["pixel_values"]), logits(model))


def test_a_transformers_vit_with_even_layers_stays_stock(tmp_path: Path) -> None:
    model = NETWORKS["hf-vit"]()
    channels = channel_map(model)
    slice_, zeroed = drop(model, channels)
    compact(model, slice_, channels).save(tmp_path)
    assert not (tmp_path / SHAPES).exists()
    stock = transformers.AutoModelForImageClassification.from_pretrained(tmp_path).eval()
    assert (stock.config.num_attention_heads, stock.config.intermediate_size) == (2, 24)
    with torch.no_grad():
        given = stock(**model.example_inputs(3, 5)).logits
    torch.testing.assert_close(given, logits(zeroed), rtol=0, atol=1e-5 * float(logits(zeroed).abs().max()))
    slice_.masks["vit.layers.1.mlp.fc1.bias"][:] = True
    assert compact(model, slice_, channels).shapes is not None


def test_one_unit_of_each_group_stays() -> None:
    model = NETWORKS["test_efficientnet"]()
    channels = channel_map(model)
    nothing = Slice({n: np.zeros(tuple(p.shape), dtype=bool) for n, p in model.module.named_parameters()}, "test")
    removed = removable(model, channels, nothing)
    assert {name: len(units) for name, units in removed.items()} == {g.name: g.units - 1 for g in channels.groups}
    assert logits(compact(model, nothing, channels)).shape == (3, len(LABELS))


def test_only_what_is_irrelevant_in_all_that_makes_it_goes() -> None:
    model = NETWORKS["test_resnet"]()
    channels = channel_map(model)
    slice_, zeroed = drop(model, channels)
    removed = removable(model, channels, slice_)
    assert {name: units.tolist() for name, units in removed.items()} == {
        name: units.tolist() for name, units in removable(zeroed, channels, zeros(zeroed)).items()
    }
    slice_.masks["layer2.0.downsample.2.bias"][0] = True
    assert removable(model, channels, slice_)["layer2.0.conv2"].tolist() == removed["layer2.0.conv2"].tolist()[1:]


def test_a_slice_of_another_model_is_refused() -> None:
    model = NETWORKS["test_resnet"]()
    for masks in ({"none.weight": np.ones(3, dtype=bool)}, {"bn1.weight": np.ones(3, dtype=bool)}):
        with pytest.raises(SliceError, match="the slice does not fit"):
            compact(model, Slice(masks, "test"), ChannelMap(()))


def test_a_wrong_map_does_not_get_through() -> None:
    model = NETWORKS["test_resnet"]()
    channels = channel_map(model)
    group = channels.groups[3]
    wrong = type(group)(group.name, group.kind, group.units, group.makes[:1], group.reads)
    slice_, _ = drop(model, ChannelMap((group,)))
    with pytest.raises((SliceError, RuntimeError)):
        compact(model, slice_, ChannelMap((wrong,)))


class Enlarging(nn.Module):
    """A network that enlarges rounding a million times: the difference of two sums that are nearly equal."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.one, self.other = nn.Conv2d(3, 300, 3), nn.Linear(300, 4), nn.Linear(300, 4)

    def forward(self, x: Tensor) -> Tensor:
        seen = self.stem(x).relu().mean((2, 3))
        found: Tensor = 1e6 * (self.one(seen) - self.other(seen))
        return found


def test_rounding_that_a_network_enlarges_is_no_difference() -> None:
    torch.manual_seed(0)
    model = by_hand(Enlarging())
    with torch.no_grad():
        model.module.other.weight.copy_(model.module.one.weight + 1e-6 * torch.randn(4, 300))
        model.module.other.bias.copy_(model.module.one.bias)
    channels = channel_map(model)
    units = {"stem": np.arange(0, 300, 3)}
    assert [group.name for group in channels.groups] == ["stem"]
    smaller = without(model, channels, units)
    assert smaller.module.stem.out_channels == 200
    zeroed = copy.deepcopy(model)
    zero(zeroed.module, channels.groups, units)
    apart = (logits(zeroed) - logits(smaller)).abs().max()
    assert apart > 1e-3 * logits(zeroed).abs().max()  # which would be too much


def test_heads_of_networks_in_stages_are_no_setting_of_the_whole() -> None:
    """PVT has a number of heads and a width for each stage, as a list."""
    stages = {"hidden_sizes": [16, 16, 16, 16], "depths": [1, 1, 1, 1], "num_attention_heads": [2, 2, 2, 2]}
    config = transformers.PvtConfig(image_size=32, num_labels=len(LABELS), **stages)
    model = from_transformers(transformers.PvtForImageClassification(config), side=32)
    group = next(group for group in channel_map(model).groups if group.kind == "heads")
    smaller = without(model, channel_map(model), {group.name: np.arange(1)})
    assert smaller.parameters < model.parameters
    assert smaller.shapes is not None
