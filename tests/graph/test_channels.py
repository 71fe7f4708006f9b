"""The channel map, held against what the networks compute."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hubslice.graph.channel_groups import ChannelGroup, ChannelMap
from hubslice.graph.channels import channel_map
from hubslice.models.base import Model
from hubslice.slicing.compaction import without
from tests.networks import NETWORKS, Body, by_hand, fill, from_timm, logits

pytestmark = pytest.mark.slow

Case = tuple[Model, ChannelMap]
_CASES: dict[str, Case] = {}


@pytest.fixture(params=NETWORKS)
def case(request: pytest.FixtureRequest) -> Case:
    if request.param not in _CASES:
        model = NETWORKS[request.param]()
        _CASES[request.param] = (model, channel_map(model))
    return _CASES[request.param]


def test_zero_units_are_not_read(case: Case) -> None:
    model, channels = case
    rng = np.random.default_rng(0)
    assert channels.groups
    for group in channels.groups:
        trial = copy.deepcopy(model)
        units = sorted(rng.choice(group.units, max(1, group.units // 3), replace=False).tolist())
        fill(trial, group, units, "makes", 0.0)
        before = logits(trial)
        fill(trial, group, units, "reads", torch.Generator().manual_seed(1))
        torch.testing.assert_close(logits(trial), before, rtol=0, atol=1e-6 * float(before.abs().max()))


def test_units_that_are_not_zero_are_read(case: Case) -> None:
    """Else the test above would say nothing."""
    model, channels = case
    for group in channels.groups:
        trial = copy.deepcopy(model)
        before = logits(trial)
        fill(trial, group, list(range(group.units)), "reads", torch.Generator().manual_seed(1))
        assert float((logits(trial) - before).abs().max()) > 1e-6 * float(before.abs().max()), group.name


def test_every_layer_is_in_a_group_or_said_to_stay_whole(case: Case) -> None:
    model, channels = case
    made = {part.tensor.rpartition(".")[0] for g in channels.groups for part in (*g.makes, *g.reads) if part.axis == 0}
    layers = {name for name, part in model.module.named_modules() if isinstance(part, nn.Conv2d | nn.Linear)}
    assert layers <= made | channels.whole.keys()
    assert all(channels.whole.values())
    names = [group.name for group in channels.groups]
    assert len(set(names)) == len(names)


def test_the_map_is_the_same_again_and_the_model_as_it_was(case: Case) -> None:
    model, channels = case
    before = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    again = channel_map(model)
    assert described(again) == described(channels)
    assert again.whole == channels.whole
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.module.state_dict().items())
    assert not model.module.training


def described(channels: ChannelMap) -> list[object]:
    return [
        (g.name, g.kind, g.units, [(p.tensor, p.axis, p.entries.tolist()) for p in (*g.makes, *g.reads)])
        for g in channels.groups
    ]


def by_name(channels: ChannelMap) -> dict[str, ChannelGroup]:
    return {group.name: group for group in channels.groups}


def tensors(group: ChannelGroup, role: str) -> list[str]:
    return [part.tensor for part in getattr(group, role)]


def test_heads_are_units() -> None:
    groups = by_name(channel_map(NETWORKS["test_vit"]()))
    qkv = groups["blocks.0.attn.qkv"]
    assert (qkv.kind, qkv.units) == ("heads", 2)
    assert qkv.makes[0].entries[1].tolist() == [*range(32, 64), *range(96, 128), *range(160, 192)]
    assert [part.entries[1].tolist() for part in qkv.reads] == [list(range(32, 64))]
    assert groups["blocks.0.mlp.fc1"].kind == "features"
    separate = by_name(channel_map(NETWORKS["hf-vit"]()))["vit.layers.0.attention.q_proj"]
    assert (separate.kind, separate.units) == ("heads", 4)
    assert len(separate.makes) == 6  # weights and biases of queries, keys and values


def test_a_gate_is_a_reader_of_what_it_multiplies() -> None:
    groups = by_name(channel_map(NETWORKS["test_efficientnet"]()))
    block = groups["blocks.3.0.conv_pw"]
    assert {"blocks.3.0.conv_dw.weight", "blocks.3.0.bn2.running_var"} <= set(tensors(block, "makes"))
    assert {"blocks.3.0.se.conv_expand.bias", "blocks.3.0.conv_pwl.weight"} <= set(tensors(block, "reads"))


class Cat(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.out = nn.Conv2d(8, 5, 1), nn.Conv2d(8, 6, 1), nn.Conv2d(11, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.cat([self.one(x).relu(), self.two(x)], 1))


def test_sides_of_a_concatenation_are_groups_of_their_own() -> None:
    groups = by_name(channel_map(by_hand(Body(Cat()))))
    assert groups["middle.one"].reads[0].entries[:, 0].tolist() == list(range(5))
    assert groups["middle.two"].reads[0].entries[:, 0].tolist() == list(range(5, 11))


def test_flattened_channels_have_several_positions() -> None:
    middle = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 8))
    groups = by_name(channel_map(by_hand(Body(middle))))
    assert groups["stem"].reads[0].entries[3].tolist() == [12, 13, 14, 15]


def test_a_grouped_convolution_loses_whole_groups() -> None:
    middle = nn.Sequential(nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3, groups=4), nn.ReLU(), nn.Conv2d(16, 8, 1))
    group = by_name(channel_map(by_hand(Body(middle))))["stem"]
    assert group.units == 4
    entries = {part.tensor: part.entries[1].tolist() for part in (*group.makes, *group.reads)}
    assert entries["stem.weight"] == entries["middle.0.bias"] == [2, 3]
    assert entries["middle.2.weight"] == entries["middle.4.weight"] == [4, 5, 6, 7]


class Fixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(x.relu() * (1 + torch.arange(8.0).view(1, 8, 1, 1)))


class Shuffled(nn.Module):
    """torch-pruning takes the permutation for something that leaves channels where they are."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(x.relu().flip(1))


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)
        self.two.weight = self.one.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.one(x).relu())


class Keeping(nn.Module):
    """As LeViT keeps attention biases: what is made of a parameter in one call is used in the next."""

    kept: Tensor | None = None

    def __init__(self) -> None:
        super().__init__()
        self.out, self.scale = nn.Conv2d(8, 8, 1), nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        self.kept = 2 * self.scale if self.kept is None else self.kept
        return self.out(x.relu() * self.kept)


def test_a_network_that_keeps_tensors_between_calls_is_mapped() -> None:
    model = by_hand(Body(Keeping()))
    model.module.middle.kept = None
    assert [group.name for group in channel_map(model).groups] == ["stem", "middle.out"]
    assert model.module.middle.kept is None


WHOLE: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "sigmoid": (lambda: nn.Sequential(nn.Sigmoid(), nn.Conv2d(8, 8, 1)), "do not stay zero"),
    "softplus": (lambda: nn.Sequential(nn.Softplus(), nn.Conv2d(8, 8, 1)), "do not stay zero"),
    "pad with ones": (lambda: nn.Sequential(nn.ConstantPad2d(1, 1.0), nn.Conv2d(8, 8, 3)), "do not stay zero"),
    "channels in another order": (Shuffled, "do not stay zero"),
    "layer norm": (lambda: nn.Sequential(nn.GroupNorm(1, 8), nn.Conv2d(8, 8, 1)), "averages over its channels"),
    "transposed": (lambda: nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(8, 8, 2)), "cannot be sliced"),
    "shared weights": (Twice, "shares its weights"),
    "width in the code": (Fixed, "the network's code counts on the width"),
    "one parameter each": (lambda: nn.Sequential(nn.PReLU(8), nn.Conv2d(8, 8, 1)), "cannot be sliced"),
}


@pytest.mark.parametrize("what", WHOLE)
def test_what_cannot_be_sliced_stays_whole_and_says_why(what: str) -> None:
    build, reason = WHOLE[what]
    channels = channel_map(by_hand(Body(build())))
    assert "stem" not in by_name(channels)
    assert reason in channels.whole["stem"]
    assert "the network's outputs" in channels.whole["fc"]


def test_weight_standardisation_stays_whole() -> None:
    channels = channel_map(from_timm("test_nfnet"))
    assert "ScaledStdConv2d" in channels.whole["stages.0.0.conv2"]


def test_a_network_that_cannot_be_traced_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no graph")

    monkeypatch.setattr("hubslice.graph.channels.find_ties", fail)
    channels = channel_map(by_hand(Body(nn.ReLU())))
    assert channels.groups == ()
    assert channels.whole == dict.fromkeys(("stem", "fc"), "the network cannot be traced (RuntimeError: no graph)")


class Tokens(nn.Module):
    """A first token taken off, and put back before the others, as CvT has it; torch-pruning trips over the sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(8, 12), nn.Linear(12, 8)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        first, rest = torch.split(tokens, [1, tokens.shape[1] - 1], 1)
        whole = torch.cat((first, first + rest.mean(1, keepdim=True), rest), 1)
        return x + self.down(self.up(whole).relu())[:, 2:3].transpose(1, 2)[..., None]


class Root(nn.Module):
    """A normalisation by the root of the mean of squares over the channels of images, as timm's RmsNorm2d."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(8))

    def forward(self, x: Tensor) -> Tensor:
        return x * (x.pow(2).mean(1, keepdim=True) + 1e-6).rsqrt() * self.weight[:, None, None]


class Scale(nn.Module):
    """A factor for each channel, which is no normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(8))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight[:, None, None]


def test_normalisations_of_an_architecture_say_that_they_average() -> None:
    found = channel_map(by_hand(Body(nn.Sequential(nn.Conv2d(8, 8, 3), Root()))))
    assert found.whole["middle.0"] == "middle.1 (Root) averages over its channels"
    found = channel_map(by_hand(Body(nn.Sequential(nn.Conv2d(8, 8, 3), Scale()))))
    assert found.whole["middle.0"] == "tied to the parameter middle.1.weight, which belongs to no layer"


class Gated(nn.Module):
    """Tokens with a learnt position, and a linear layer whose output is split into values and their gates."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.positions = nn.Conv2d(3, 6, 4, 4), nn.Parameter(torch.randn(1, 16, 6))
        self.wide, self.narrow, self.fc = nn.Linear(6, 20), nn.Linear(10, 6), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x).flatten(2).transpose(1, 2) + self.positions
        values, gates = self.wide(tokens).chunk(2, dim=-1)
        logits: Tensor = self.fc(self.narrow(values * gates.sigmoid()).mean(1))
        return logits


def test_packed_gates_go_with_what_they_multiply() -> None:
    groups = {group.name: group for group in channel_map(by_hand(Gated())).groups}
    assert groups["wide"].units == 10
    parts = {part.tensor: part.entries.tolist() for part in (*groups["wide"].makes, *groups["wide"].reads)}
    assert parts["wide.weight"] == parts["wide.bias"] == [[unit, unit + 10] for unit in range(10)]
    assert parts["narrow.weight"] == [[unit] for unit in range(10)]


def test_what_torch_pruning_stumbles_over_hinders_no_other_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch_pruning.dependency import index_mapping

    def fail(graph: object, node: object) -> None:
        raise IndexError

    assert "middle.up" in by_name(channel_map(by_hand(Body(Tokens()))))
    for name in ("split", "concat"):
        monkeypatch.setattr(index_mapping, f"update_{name}_index_mapping", fail)
    assert "middle.up" in by_name(channel_map(by_hand(Body(Tokens()))))
    assert index_mapping.update_split_index_mapping is fail  # as it was found


def test_channels_that_cannot_be_followed_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch_pruning.dependency import index_mapping

    def unusable(channels: object) -> None:
        raise ZeroDivisionError

    def update(graph: object, node: Any) -> None:
        for dependency in node.dependencies:
            dependency.index_mapping[0] = unusable

    monkeypatch.setattr(index_mapping, "update_reshape_index_mapping", update)
    channels = channel_map(by_hand(Body(Tokens())))
    assert "which cannot be followed" in channels.whole["stem"]


class Convolved(nn.Module):
    """Attention whose heads are channels of convolutions, as in CPUBone and BoTNet."""

    def __init__(self) -> None:
        super().__init__()
        self.num_heads = 2
        self.qkv, self.project = nn.Conv2d(8, 24, 1), nn.Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(x).flatten(2).unflatten(1, (3, self.num_heads, 4)).unbind(1)
        seen = (query.mT @ key).softmax(-1) @ value.mT
        found: Tensor = x + self.project(seen.mT.flatten(1, 2).unflatten(2, x.shape[2:]))
        return found


def test_heads_of_convolutions_hinder_no_other_layer() -> None:
    model = by_hand(Body(nn.Sequential(Convolved(), nn.Conv2d(8, 12, 3), nn.ReLU(), nn.Conv2d(12, 8, 3))))
    channels = channel_map(model)
    assert not [why for why in channels.whole.values() if "cannot be traced" in why]
    group = next(group for group in channels.groups if "middle.1.weight" in tensors(group, "makes"))
    smaller = without(model, channels, {group.name: np.arange(0, group.units, 2)})  # computes the same, or raises
    assert smaller.parameters < model.parameters
    for each in channels.groups:
        without(model, channels, {each.name: np.arange(1)})
