"""The layout in memory that training takes: fast, but where oneDNN writes past its memory."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hubslice.models.layout import training_layout

CPU, LAST, PLAIN = torch.device("cpu"), torch.channels_last, torch.contiguous_format


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Conv2d(3, 48, 1, stride=2), PLAIN),  # as in FastViT's stem
        (nn.Conv2d(1, 8, 1, stride=2), PLAIN),
        (nn.Conv2d(32, 32, 1, stride=(1, 2), groups=8), PLAIN),
        (nn.Conv2d(3, 48, 1), LAST),
        (nn.Conv2d(3, 48, 3, stride=2, padding=1), LAST),
        (nn.Conv2d(48, 48, 1, stride=2, groups=48), LAST),
        (nn.Conv2d(64, 128, 1, stride=2), LAST),  # as in ResNet's shortcuts
        (nn.Linear(3, 4), LAST),
    ],
    ids=str,
)
def test_narrow_strided_convolutions_of_one_pixel_stay_contiguous(
    layer: nn.Module, expected: torch.memory_format
) -> None:
    assert training_layout(nn.Sequential(nn.ReLU(), layer), CPU) is expected
    assert training_layout(layer, torch.device("cuda")) is LAST


def test_its_gradients_are_those_of_double_precision() -> None:
    torch.manual_seed(0)
    layer, images = nn.Conv2d(3, 48, 1, stride=2), torch.rand(4, 3, 16, 16)
    layout = training_layout(layer, CPU)
    wide = nn.Conv2d(3, 48, 1, stride=2).double()
    wide.load_state_dict({name: tensor.double() for name, tensor in layer.state_dict().items()})
    layer.to(memory_format=layout)(images.to(memory_format=layout)).square().sum().backward()
    wide(images.double()).square().sum().backward()
    torch.testing.assert_close(layer.weight.grad, wide.weight.grad.float(), rtol=1e-4, atol=1e-4)
