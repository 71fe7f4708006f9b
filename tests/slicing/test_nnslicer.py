"""NNSlicer as a ranking: the smallest contributions of each layer fall, of equals the smaller weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hubslice.artefacts.contributions import Contributions
from hubslice.core.errors import SliceError
from hubslice.graph.export import export_onnx
from hubslice.graph.neuron_map import NeuronMap, map_neurons
from hubslice.recipe.nnslicer import NnslicerParams
from hubslice.slicing.nnslicer import unit_contributions
from hubslice.slicing.registry import make_slice
from tests.slicing.test_units import GROUPS, SHAPES

CLASSIFIER = frozenset({"3.weight", "3.bias"})


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, np.ndarray], NeuronMap]:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(2, 6, 3), nn.Conv2d(6, 4, 1, groups=2), nn.Flatten(), nn.Linear(16, 3))
    path = tmp_path_factory.mktemp("net") / "net.onnx"
    export_onnx(module, {"input": torch.rand(2, 2, 4, 4)}, path)
    weights = {name: parameter.detach().numpy() for name, parameter in module.named_parameters()}
    return weights, map_neurons(module, path)


@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.5, 1.0])
def test_of_each_layer_the_least_used_fall(net: tuple[dict[str, np.ndarray], NeuronMap], ratio: float) -> None:
    weights, neurons = net
    rng = np.random.default_rng(2)
    uses = {name: rng.integers(0, 3, weight.shape) for name, weight in weights.items()}  # ties everywhere
    found = make_slice(NnslicerParams(ratio=ratio), weights, neurons, Contributions(uses, 5, {}), CLASSIFIER, seed=0)
    assert set(found.masks) == {"0.weight", "1.weight"}
    for name, mask in found.masks.items():
        places = list(np.ndindex(mask.shape))
        order = sorted(places, key=lambda at, name=name: (uses[name][at], abs(weights[name][at])))
        fallen = {at for at in places if not mask[at]}
        assert fallen == set(order[: int(len(order) * ratio)])


def test_contributions_of_another_model(net: tuple[dict[str, np.ndarray], NeuronMap]) -> None:
    weights, neurons = net
    other = Contributions({"0.weight": np.ones((6, 2, 3, 3), int)}, 1, {})
    with pytest.raises(SliceError, match=r"nothing is known of what 1\.weight contributes"):
        make_slice(NnslicerParams(), weights, neurons, other, CLASSIFIER, seed=0)


def test_units_weigh_what_makes_them() -> None:
    rng = np.random.default_rng(3)
    weights = {name: rng.random(shape) for name, shape in SHAPES.items()}
    uses = {name: rng.integers(0, 9, shape) for name, shape in SHAPES.items() if len(shape) > 1}
    first, second = unit_contributions(GROUPS, weights, 0, Contributions(uses, 1, {}))
    np.testing.assert_allclose(first, uses["a.weight"].sum(1) / uses["a.weight"].sum(1).mean())
    np.testing.assert_allclose(second, uses["b.weight"].sum(1) / uses["b.weight"].sum(1).mean())


def test_contributions_survive_their_file(tmp_path: Path) -> None:
    large = np.array([[1, 1 << 40]])
    Contributions({"a": large}, 7, {"rule": "threshold"}).save(tmp_path / "c.safetensors")
    found = Contributions.load(tmp_path / "c.safetensors")
    np.testing.assert_array_equal(found.weights["a"], large)
    assert (found.samples, found.about) == (7, {"rule": "threshold"})
