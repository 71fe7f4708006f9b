"""Gates against a slow reference: every gate a tensor of its own, and autograd through a straight-through estimator."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from hubslice.graph.channel_groups import ChannelGroup, Part
from hubslice.slicing.gates import ChannelGates, Gates, WeightGates


class Net(nn.Module):
    """Two blocks with a residual sum, a depthwise convolution and normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.widen = nn.Conv2d(6, 8, 1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.narrow = nn.Conv2d(8, 6, 1)
        self.classifier = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.stem(x)).relu()
        x = x + self.narrow(self.depthwise(self.widen(x).relu()).relu())
        return self.classifier(x.relu().mean((2, 3)))


def each(tensor: str, axis: int, units: int) -> Part:
    return Part(tensor, axis, np.arange(units)[:, None])


STREAM = ChannelGroup(
    "stem",
    "channels",
    6,
    makes=(
        *(each(name, 0, 6) for name in ("stem.weight", "stem.bias", "norm.weight", "norm.bias", "norm.running_mean")),
        *(each(name, 0, 6) for name in ("narrow.weight", "narrow.bias")),
    ),
    reads=(each("widen.weight", 1, 6), each("classifier.weight", 1, 6)),
)
INNER = ChannelGroup(
    "widen",
    "channels",
    8,
    makes=tuple(each(name, 0, 8) for name in ("widen.weight", "widen.bias", "depthwise.weight", "depthwise.bias")),
    reads=(each("narrow.weight", 1, 8),),
)
NAMES = ("stem.weight", "widen.weight", "depthwise.weight", "narrow.weight")
ALPHA = 0.02


class Straight(torch.autograd.Function):
    """1 where the score is positive; the gradient goes straight through, clipped."""

    @staticmethod
    def forward(context: object, score: Tensor) -> Tensor:
        return (score > 0).float()

    @staticmethod
    def backward(context: object, grad: Tensor) -> Tensor:
        return grad.clamp(-1, 1)


class OneOpen(Straight):
    """Likewise, and 1 for the largest score where none is positive."""

    @staticmethod
    def forward(context: object, score: Tensor) -> Tensor:
        return ((score > 0) | (score == score.max())).float()


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    made = Net().eval()
    made.norm.running_mean.uniform_(-1, 1)
    return made


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(5, 3, 8, 8, generator=generator), torch.tensor([0, 1, 2, 3, 0])


def follow(net: Net, gates: Gates, steps: int) -> list[list[Tensor]]:
    """The scores after each step of Adam."""
    optimizer = torch.optim.Adam(gates.scores, lr=0.3)
    images, targets = batch()
    seen = []
    for _ in range(steps):
        gates.write()
        net.zero_grad(set_to_none=True)
        gates.clear()
        nn.functional.cross_entropy(net(images), targets).backward()
        gates.collect(ALPHA)
        optimizer.step()
        seen.append([score.detach().clone() for score in gates.scores])
    return seen


def test_weight_gates_follow_the_reference(net: Net) -> None:
    given = {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}
    scores = {name: torch.ones_like(given[name], requires_grad=True) for name in NAMES}
    optimizer = torch.optim.Adam(scores.values(), lr=0.3)
    total = sum(score.numel() for score in scores.values())
    images, targets = batch()
    expected = []
    for _ in range(8):
        optimizer.zero_grad()
        gated = {name: Straight.apply(score) for name, score in scores.items()}
        logits = functional_call(net, {**given, **{name: given[name] * gate for name, gate in gated.items()}}, images)
        kept = sum(gate.sum() for gate in gated.values())
        (nn.functional.cross_entropy(logits, targets) + ALPHA * kept / total).backward()
        optimizer.step()
        expected.append([score.detach().clone() for score in scores.values()])
    gates = WeightGates(net, NAMES)
    for found, wanted in zip(follow(net, gates, 8), expected, strict=True):
        for mine, theirs in zip(found, wanted, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)
    assert 0 < gates.retention < 1
    masks = gates.masks()
    assert sum(int(mask.sum()) for mask in masks.values()) == gates.kept()
    for name, mask in masks.items():
        gates.write()
        torch.testing.assert_close(dict(net.named_parameters())[name].detach(), given[name] * torch.from_numpy(mask))


def test_channel_gates_follow_the_reference(net: Net) -> None:
    """The reference gates activations: what the residual stream and the inner channels give to whatever reads them."""
    given = {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}
    scores = [torch.ones(6, requires_grad=True), torch.ones(8, requires_grad=True)]
    optimizer = torch.optim.Adam(scores, lr=0.3)
    images, targets = batch()
    numels = {name: tensor.numel() for name, tensor in given.items() if "running" not in name and "num" not in name}
    counted = sum(size for name, size in numels.items() if not name.startswith("classifier"))
    expected = []
    for _ in range(8):
        optimizer.zero_grad()
        stream, inner = (OneOpen.apply(score) for score in scores)
        x = functional_call(
            net.norm,
            {n: given[f"norm.{n}"] for n in ("weight", "bias", "running_mean", "running_var")},
            nn.functional.conv2d(images, given["stem.weight"], given["stem.bias"], padding=1),
        ).relu()
        y = nn.functional.conv2d(x * stream[:, None, None], given["widen.weight"], given["widen.bias"]).relu()
        y = nn.functional.conv2d(y, given["depthwise.weight"], given["depthwise.bias"], padding=1, groups=8).relu()
        y = nn.functional.conv2d(y * inner[:, None, None], given["narrow.weight"], given["narrow.bias"])
        features = (x + y).relu().mean((2, 3)) * stream
        logits = nn.functional.linear(features, given["classifier.weight"], given["classifier.bias"])
        s, i = stream.mean(), inner.mean()
        rows = 6 * (3 * 9 + 1 + 1 + 1 + 1) * s  # stem with its bias, the norm's two, narrow's bias
        inner_rows = 8 * (1 + 9 + 1) * i  # widen's bias, the depthwise kernels with theirs
        kept = rows + inner_rows + 2 * 6 * 8 * s * i
        (nn.functional.cross_entropy(logits, targets) + ALPHA * kept / counted).backward()
        optimizer.step()
        expected.append([score.detach().clone() for score in scores])
    gates = ChannelGates(net, [STREAM, INNER], {"classifier.weight", "classifier.bias"})
    for found, wanted in zip(follow(net, gates, 8), expected, strict=True):
        for mine, theirs in zip(found, wanted, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)
    assert gates.weights == counted
    assert 0 < gates.retention < 1
    assert sum(int(mask.sum()) for mask in gates.masks().values()) == gates.kept()


def test_masked_channels_are_what_closed_gates_compute(net: Net) -> None:
    """Zeroing the masked weights, makers included, gives the logits of the gated network."""
    gates = ChannelGates(net, [STREAM, INNER], {"classifier.weight", "classifier.bias"})
    with torch.no_grad():
        gates.scores[0][[1, 4]] = -1
        gates.scores[1][[0, 2, 7]] = -1
    gates.write()
    images, _ = batch()
    gated = net(images)
    state = net.state_dict()
    torch.manual_seed(0)
    plain = Net().eval()
    plain.load_state_dict(state)
    masks = gates.masks()
    with torch.no_grad():
        for name, parameter in plain.named_parameters():
            if name in masks:
                parameter *= torch.from_numpy(masks[name])
    torch.testing.assert_close(plain(images), gated)
    assert "classifier.weight" not in masks
    assert not masks["norm.bias"][1]
    assert masks["norm.bias"][0]


def test_a_layer_of_zeros_is_the_first_to_go(net: Net) -> None:
    with torch.no_grad():
        net.widen.weight.zero_()
    scores = dict(zip(NAMES, WeightGates(net, NAMES, by_rank=True).scores, strict=True))
    others = torch.cat([score.reshape(-1) for name, score in scores.items() if name != "widen.weight"])
    assert scores["widen.weight"].max() < others.min()


def test_scores_may_start_at_ranks(net: Net) -> None:
    gates = WeightGates(net, NAMES, by_rank=True)
    sizes = {}
    for name in NAMES:
        weight = dict(net.named_parameters())[name].detach().numpy()
        scale = np.sqrt((weight**2).mean())
        sizes |= {(name, place): abs(value) / scale for place, value in np.ndenumerate(weight)}
    smaller = sorted(sizes.values())
    scores = dict(zip(NAMES, gates.scores, strict=True))
    for (name, place), size in list(sizes.items())[::17]:
        assert float(scores[name][place]) == pytest.approx((smaller.index(size) + 1) / len(smaller), abs=2e-3)
    units = ChannelGates(net, [STREAM, INNER], {"classifier.weight", "classifier.bias"}, by_rank=True).scores
    found = torch.cat(list(units)).sort().values
    torch.testing.assert_close(found, torch.arange(1, 15) / 14)


def test_scores_may_start_at_ranks_of_squared_gradients_by_cost(net: Net) -> None:
    """Against gates that are tensors of their own: one factor on the channels of the stream, one on the inner ones."""
    uses = {"stem.weight": 64, "widen.weight": 64, "depthwise.weight": 16, "narrow.weight": 16}
    gates = ChannelGates(net, [STREAM, INNER], {"classifier.weight", "classifier.bias"}, uses=uses)
    whole = {"stem": 6 * 3 * 9 * 64, "widen": 8 * 6 * 64, "depthwise": 8 * 9 * 16, "narrow": 6 * 8 * 16}
    assert gates.weights == sum(whole.values())
    stream_cost = (whole["stem"] + whole["widen"] + whole["narrow"]) / 6
    inner_cost = (whole["widen"] + whole["depthwise"] + whole["narrow"]) / 8
    expected = np.zeros(14)
    for seed in range(3):
        images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
        stream, inner = torch.ones(6, requires_grad=True), torch.ones(8, requires_grad=True)
        given = {name: tensor.detach() for name, tensor in net.named_parameters()}
        gated = {
            "widen.weight": given["widen.weight"] * stream[None, :, None, None],
            "classifier.weight": given["classifier.weight"] * stream[None],
            "narrow.weight": given["narrow.weight"] * inner[None, :, None, None],
        }
        loss = nn.functional.cross_entropy(functional_call(net, {**given, **gated}, images), torch.arange(4))
        found = torch.autograd.grad(loss, [stream, inner])
        expected += torch.cat([found[0] ** 2 / stream_cost, found[1] ** 2 / inner_cost]).numpy()
        gates.write()
        net.zero_grad(set_to_none=True)
        gates.clear()
        nn.functional.cross_entropy(net(images), torch.arange(4)).backward()
        gates.watch()
    gates.rank()
    ranks = torch.cat(list(gates.scores)).numpy()
    assert np.array_equal(ranks.argsort(), expected.argsort(kind="stable"))
    assert sorted(ranks) == pytest.approx(np.arange(1, 15) / 14)


def test_a_vector_that_reads_channels_has_a_gradient_for_each(net: Net) -> None:
    """As normalisation before an activation does: its weight is of one axis."""
    group = ChannelGroup("stem", "channels", 6, makes=(each("stem.weight", 0, 6),), reads=(each("norm.weight", 0, 6),))
    gates = ChannelGates(net, [group], {"classifier.weight", "classifier.bias"})
    gates.write()
    net(torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))).square().sum().backward()
    gates.collect(0.0)
    assert net.norm.weight.grad is not None
    wanted = (net.norm.weight.grad * net.norm.weight).clamp(-1, 1)
    torch.testing.assert_close(gates.scores[0].grad, wanted.detach())
