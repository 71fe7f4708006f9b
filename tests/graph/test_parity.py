"""The parity gate, on one linear layer whose graph is changed by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from hubslice.core.errors import ModelError, ParityError
from hubslice.graph.export import export_onnx
from hubslice.graph.parity import check_parity

X = torch.linspace(-1, 1, 12).reshape(3, 4)


def linear(features: int = 5) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(4, features, bias=False)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("parity") / "m.onnx"
    export_onnx(linear(), {"x": X}, path)
    return path


def with_weight(path: Path, weight: torch.Tensor, folder: Path) -> Path:
    model = onnx.load(path)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weight.detach().numpy().astype(np.float32), "weight"))
    onnx.save(model, folder / "m.onnx")
    return folder / "m.onnx"


@pytest.mark.slow
def test_parity_of_an_unchanged_module(path: Path) -> None:
    module = linear().train()
    parity = check_parity(module, path, {"x": X})
    assert parity.samples == 3
    assert parity.provider == "CPUExecutionProvider"
    assert parity.max_abs_difference <= parity.tolerance < 1e-3
    assert module.training


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_changed_weight_is_found_at_any_scale(scale: float, path: Path, tmp_path: Path) -> None:
    module = linear()
    with torch.no_grad():
        module.weight.mul_(scale)
    scaled = with_weight(path, module.weight, tmp_path)
    check_parity(module, scaled, {"x": X})
    with torch.no_grad():
        module.weight[2] *= 1.1
    with pytest.raises(ParityError, match=r"m\.onnx differs from PyTorch by .* output \[2\]; the limit is") as caught:
        check_parity(module, scaled, {"x": X})
    assert "do not slice from this graph" in (caught.value.hint or "")


def test_not_a_number_on_one_side_fails_on_both_sides_is_the_models(path: Path, tmp_path: Path) -> None:
    module = linear()
    with torch.no_grad():
        module.weight[1] = torch.nan
    with pytest.raises(ParityError, match=r"differs from PyTorch by inf at sample 0, output \[1\]"):
        check_parity(module, path, {"x": X})
    with pytest.raises(ModelError, match="Linear computes values that are not finite numbers"):
        check_parity(module, with_weight(path, module.weight, tmp_path), {"x": X})


def test_another_shape_fails(path: Path) -> None:
    with pytest.raises(ParityError, match=r"outputs \[3, 5\] where PyTorch gives \[3, 6\]"):
        check_parity(linear(6), path, {"x": X})


class Enlarging(nn.Module):
    """A network that enlarges rounding: the difference of two equal sums, one of them in another order."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(512, 3, bias=False), nn.Linear(512, 3, bias=False)
        with torch.no_grad():
            self.other.weight.copy_(self.one.weight.flip(1))
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :3] + self.factor * (self.one(x) - self.other(x.flip(1)))


def test_a_network_that_enlarges_rounding_passes_within_bounds(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module, x = Enlarging(800).eval(), torch.randn(8, 512)
    path = tmp_path / "m.onnx"
    export_onnx(module, {"x": x[:2]}, path)
    parity = check_parity(module, path, {"x": x})
    usual = 1e-4 * float(x[:, :3].abs().max())
    assert usual < parity.max_abs_difference <= parity.tolerance <= 11 * usual
    with torch.no_grad():
        module.one.weight[0, 0] += 1e-4
    with pytest.raises(ParityError, match="the limit is"):
        check_parity(module, path, {"x": x})
    with pytest.raises(ParityError, match="the limit is"):
        check_parity(Enlarging(3e5), path, {"x": x})
