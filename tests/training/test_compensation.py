"""What slices take away goes on being added on average."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hubslice.artefacts.slice import Slice
from hubslice.core.errors import SliceError
from hubslice.modality.modality import Encoded
from hubslice.training.compensation import Compensation


class Net(nn.Module):
    """Padding, strides, groups, dilation; a normalisation behind one convolution, none behind another without bias."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 6, 3, padding=2, dilation=2, groups=2)
        self.bare = nn.Conv2d(6, 6, 1, bias=False)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.norm(self.first(x)).relu())
        return self.head(self.bare(x).mean((2, 3)))


class Wrapped:
    """As much of a `Model` as is needed."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def answer(self, encoded: Encoded) -> Tensor:
        return self.module(encoded["pixels"])


@pytest.fixture
def model() -> Wrapped:
    torch.manual_seed(0)
    module = Net()
    module.norm.running_mean.uniform_(-1, 1)
    return Wrapped(module)


BATCHES = [torch.rand(count, 3, 9, 9, generator=torch.Generator().manual_seed(count)) for count in (5, 3)]


@pytest.mark.parametrize(("name", "seen"), [("first", "norm"), ("second", "second"), ("head", "head")])
def test_means_stay(model: Wrapped, name: str, seen: str) -> None:
    """One layer cut: its output, behind the normalisation, keeps its mean over images and positions."""

    def mean() -> Tensor:
        found: list[Tensor] = []
        handle = getattr(model.module, seen).register_forward_hook(lambda _, __, out: found.append(out))
        with torch.no_grad():
            for batch in BATCHES:
                model.module(batch)
        handle.remove()
        joined = torch.cat(found)
        return joined.mean([axis for axis in range(joined.ndim) if axis != 1])

    measured = Compensation.measure(model, [{"pixels": batch} for batch in BATCHES])  # type: ignore[arg-type]
    weight = getattr(model.module, name).weight
    mask = np.random.default_rng(1).random(weight.shape) > 0.5
    before, kept = mean(), weight.detach().clone()
    measured.apply(model, Slice({f"{name}.weight": mask}, "random"))  # type: ignore[arg-type]
    assert torch.equal(weight, kept)
    with torch.no_grad():
        weight[torch.from_numpy(~mask)] = 0
    assert not torch.allclose(before, torch.zeros_like(before), atol=1e-3)
    torch.testing.assert_close(mean(), before, rtol=1e-4, atol=1e-5)


def test_no_place_for_a_mean(model: Wrapped) -> None:
    measured = Compensation.measure(model, [{"pixels": batch} for batch in BATCHES])  # type: ignore[arg-type]
    with pytest.raises(
        SliceError, match=r"cannot compensate bare\.weight: it has neither a bias nor a batch norm"
    ) as told:
        measured.apply(model, Slice({"bare.weight": np.zeros((6, 6, 1, 1), bool)}, "random"))  # type: ignore[arg-type]
    assert "slice.layers ('!bare.weight')" in (told.value.hint or "")
    measured.apply(model, Slice({"bare.weight": np.ones((6, 6, 1, 1), bool)}, "random"))  # type: ignore[arg-type]
