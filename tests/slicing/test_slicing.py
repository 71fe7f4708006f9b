"""Slicing methods against slow, obvious references, on a real neuron map with grouped and depthwise convolutions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hubslice.artefacts.contributions import Contributions
from hubslice.artefacts.profile import NC, Profile
from hubslice.core.errors import SliceError
from hubslice.graph.export import export_onnx
from hubslice.graph.neuron_map import NeuronMap, map_neurons
from hubslice.recipe.slicing import MagnitudeParams, RandomParams, RemosParams
from hubslice.slicing.candidates import KINDS, candidates
from hubslice.slicing.ranking import ascending_ranks
from hubslice.slicing.registry import SLICERS, make_slice


class Net(nn.Module):
    """Plain, grouped and depthwise convolutions, and a linear classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.grouped = nn.Conv2d(8, 12, 3, padding=1, groups=2)
        self.depthwise = nn.Conv2d(12, 12, 3, padding=1, groups=12)
        self.point = nn.Conv2d(12, 6, 1)
        self.hidden = nn.Linear(6, 5)
        self.classifier = nn.Linear(5, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.point(self.depthwise(self.grouped(self.stem(x).relu()).relu()).relu())
        return self.classifier(self.hidden(x.mean((2, 3))).relu())


CLASSIFIER = frozenset({"classifier.weight", "classifier.bias"})


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, np.ndarray], NeuronMap, Profile]:
    torch.manual_seed(0)
    module = Net()
    path = tmp_path_factory.mktemp("net") / "net.onnx"
    export_onnx(module, {"x": torch.rand(2, 3, 8, 8)}, path)
    neurons = map_neurons(module, path)
    rng = np.random.default_rng(1)
    # Few distinct counts, so that ties decide a lot.
    counts = {tensor.key: rng.integers(0, 4, tensor.channels) for tensor in neurons.tensors}
    weights = {name: parameter.detach().numpy() for name, parameter in module.named_parameters()}
    return weights, neurons, Profile(counts, 3, NC, "CPUExecutionProvider", "model", "data")


def reference_remos(
    weights: dict[str, np.ndarray], neurons: NeuronMap, profile: Profile, ratio: float, scaled: bool
) -> dict[str, np.ndarray]:
    """ReMoS in nested loops over Python tuples, as the paper describes it."""
    slices, singles = [], []
    for layer in neurons.layers:
        if layer.parameter in CLASSIFIER:
            continue
        weight = weights[layer.parameter]
        rms = float(np.sqrt(np.mean(weight.astype(np.float64) ** 2))) if scaled else 1.0
        outs, ins = weight.shape[:2]
        for i in range(ins):
            for o in range(outs):
                channel = (o // (outs // layer.groups)) * ins + i
                cov = profile.counts[layer.input.key][channel] + profile.counts[layer.output.key][o]
                kernel = weight[o, i].reshape(-1)
                slices.append((cov, layer.parameter, o, i, kernel.size))
                for k, value in enumerate(kernel):
                    size = np.abs(value) / np.float32(rms) if scaled else np.abs(value)
                    singles.append((size, layer.parameter, o, i, k))
    rank = 0
    coverage_rank = {}
    for _, name, o, i, size in sorted(slices, key=lambda entry: entry[0]):
        coverage_rank[name, o, i] = rank
        rank += size
    order = {}
    for place, (_, name, o, i, k) in enumerate(sorted(singles, key=lambda entry: entry[0])):
        order[name, o, i, k] = coverage_rank[name, o, i] - place
    threshold = sorted(order.values())[int(len(order) * ratio)]
    masks = {name: np.zeros(weights[name].shape, bool) for name in {key[0] for key in order}}
    for (name, o, i, k), value in order.items():
        masks[name].reshape(*masks[name].shape[:2], -1)[o, i, k] = value > threshold
    return masks


@pytest.mark.parametrize("magnitude", ["absolute", "layer_scaled"])
@pytest.mark.parametrize("ratio", [0.03, 0.1, 0.5])
def test_remos_equals_the_nested_loops(net, ratio: float, magnitude: str) -> None:
    weights, neurons, profile = net
    params = RemosParams(ratio=ratio, magnitude=magnitude, layers=KINDS)
    made = make_slice(params, weights, neurons, profile, CLASSIFIER, seed=0)
    expected = reference_remos(weights, neurons, profile, ratio, magnitude == "layer_scaled")
    assert made.masks.keys() == expected.keys()
    for name, mask in expected.items():
        np.testing.assert_array_equal(made.masks[name], mask, err_msg=name)
    assert made.retention == pytest.approx(1 - ratio, abs=0.01)


def test_large_and_seldom_used_weights_fall_first(net) -> None:
    weights, neurons, profile = net
    changed = {name: weight.copy() for name, weight in weights.items()}
    changed["point.weight"][2, 5] = 9.0
    layer = neurons.by_parameter["point.weight"][0]
    counts = {key: count.copy() for key, count in profile.counts.items()}
    counts[layer.output.key][2] = counts[layer.input.key][5] = -100
    seldom = Profile(counts, 3, NC, profile.provider, "model", "data")
    made = make_slice(RemosParams(ratio=0.001), changed, neurons, seldom, CLASSIFIER, seed=0)
    assert not made.masks["point.weight"][2, 5].any()


def test_ratio_zero_keeps_everything_and_one_nothing(net) -> None:
    weights, neurons, profile = net
    uses = Contributions({name: np.ones(weight.shape, int) for name, weight in weights.items()}, 1, {})
    for slicer in (each for each in SLICERS if each.run is not None):
        known = uses if slicer.name == "nnslicer" else profile
        whole = make_slice(slicer.params(ratio=0.0), weights, neurons, known, CLASSIFIER, seed=0)
        nothing = make_slice(slicer.params(ratio=1.0), weights, neurons, known, CLASSIFIER, seed=0)
        assert whole.retention == 1, slicer.name
        assert nothing.kept == 0, slicer.name


def test_magnitude_drops_the_smallest(net) -> None:
    weights, neurons, profile = net
    made = make_slice(MagnitudeParams(ratio=0.25), weights, neurons, profile, CLASSIFIER, seed=0)
    kept = np.concatenate([np.abs(weights[name][mask]) for name, mask in made.masks.items()])
    dropped = np.concatenate([np.abs(weights[name][~mask]) for name, mask in made.masks.items()])
    assert dropped.max() <= kept.min()
    assert made.retention == pytest.approx(0.75, abs=0.01)


def test_random_follows_the_seed(net) -> None:
    weights, neurons, profile = net
    first, again, other = (
        make_slice(RandomParams(ratio=0.3), weights, neurons, profile, CLASSIFIER, seed=seed) for seed in (1, 1, 2)
    )
    assert all(np.array_equal(first.masks[name], again.masks[name]) for name in first.masks)
    assert not all(np.array_equal(first.masks[name], other.masks[name]) for name in first.masks)


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (("conv",), {"stem.weight", "grouped.weight", "point.weight"}),
        (("conv", "linear", "!point*"), {"stem.weight", "grouped.weight", "hidden.weight"}),
        (("*", "!depthwise"), {"stem.weight", "grouped.weight", "point.weight", "hidden.weight"}),
        (("depthwise",), {"depthwise.weight"}),
    ],
)
def test_layers_are_chosen_by_kind_and_name(net, patterns: tuple[str, ...], expected: set[str]) -> None:
    weights, neurons, _ = net
    assert {c.name for c in candidates(weights, neurons, patterns, CLASSIFIER)} == expected


def test_a_pattern_without_a_layer_is_an_error(net) -> None:
    weights, neurons, _ = net
    with pytest.raises(SliceError, match=r"'blocks\.\*' matches no layer") as caught:
        candidates(weights, neurons, ("conv", "blocks.*"), CLASSIFIER)
    assert "stem.weight" in (caught.value.hint or "")


def test_weights_that_are_not_finite_are_an_error(net) -> None:
    weights, neurons, profile = net
    broken = {**weights, "stem.weight": np.full_like(weights["stem.weight"], np.nan)}
    with pytest.raises(SliceError, match=r"stem\.weight has weights that are not finite"):
        make_slice(RemosParams(), broken, neurons, profile, CLASSIFIER, seed=0)


def test_a_profile_of_another_model_is_an_error(net) -> None:
    weights, neurons, _ = net
    with pytest.raises(SliceError, match="the profile has no counts for tensor"):
        make_slice(RemosParams(), weights, neurons, Profile({}, 3, NC, "", "", ""), CLASSIFIER, seed=0)


def test_ranks_are_stable() -> None:
    assert ascending_ranks(np.array([2.0, 1.0, 2.0, 0.0], np.float32)).tolist() == [2, 1, 3, 0]


def test_a_slice_survives_its_file(net, tmp_path: Path) -> None:
    from hubslice.artefacts.slice import Slice

    weights, neurons, profile = net
    made = make_slice(RemosParams(ratio=0.2), weights, neurons, profile, CLASSIFIER, seed=0)
    made.save(tmp_path / "slice.safetensors")
    read = Slice.load(tmp_path / "slice.safetensors")
    assert read.method == "remos"
    assert read.parameters["ratio"] == 0.2
    assert all(np.array_equal(read.masks[name], mask) for name, mask in made.masks.items())
    assert (tmp_path / "slice.safetensors").stat().st_size < made.weights / 8 + 2048


def test_the_same_slice_is_the_same_file(net, tmp_path: Path) -> None:
    weights, neurons, profile = net
    made = make_slice(RemosParams(ratio=0.2), weights, neurons, profile, CLASSIFIER, seed=0)
    contents = set()
    for number in range(12):  # unsorted, two metadata entries are swapped every other time
        made.save(tmp_path / f"{number}.safetensors")
        contents.add((tmp_path / f"{number}.safetensors").read_bytes())
    assert len(contents) == 1
