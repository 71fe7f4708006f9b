"""Many samples: whoever works on them, in whatever batches, the slice is the same."""

from __future__ import annotations

import numpy as np
import pytest

from hubslice.core.errors import ExplainError, MemoryShortError
from hubslice.tracing import engine
from hubslice.tracing.engine import Traced, fitting, trace
from hubslice.tracing.means import Means, take_means
from hubslice.tracing.network import Arrays, Network
from hubslice.tracing.selection import Selection
from hubslice.tracing.trace import BatchTrace
from tests.tracing.test_reference import attention, residual, samples


class UserInputs:
    def __init__(self, x: np.ndarray) -> None:
        self.x = x

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, start: int, stop: int) -> Arrays:
        return {"x": self.x[start:stop]}


@pytest.fixture(scope="module")
def place() -> tuple[Network, UserInputs, Means]:
    model = residual()
    x = samples(model, 11, seed=1)
    network = Network.of(model, {"x": x})
    return network, UserInputs(x), take_means(network, {0: [{"x": samples(model, 8, seed=2)}]})


def assert_same(one: Traced, other: Traced) -> None:
    np.testing.assert_array_equal(one.targets, other.targets)
    assert one.layers.keys() == other.layers.keys()
    for name, layer in one.layers.items():
        for key in ("channels", "speaking", "opposing", "live", "total", "places", "top", "top_places"):
            np.testing.assert_array_equal(getattr(layer, key), getattr(other.layers[name], key))
    for name in one.leaves:
        np.testing.assert_array_equal(one.leaves[name], other.leaves[name])
    for name in one.synapses:
        np.testing.assert_array_equal(one.synapses[name], other.synapses[name])
    assert any(array.any() for array in one.synapses.values())


def test_magnitudes_and_targets(place: tuple[Network, UserInputs, Means]) -> None:
    """Magnitudes are those of samples traced alone; each sample may have a target, -1 is its answer."""
    network, given, means = place
    wanted = np.array([-1, 0, 1, -1, 2, 0, 1, -1, 0, 1, 2])
    found = trace(network, given, means, Selection(), target=wanted, neurons=False, magnitudes=True, workers=3)
    assert (found.layers, found.leaves) == ({}, {})
    np.testing.assert_array_equal(found.targets, np.where(wanted < 0, found.logits.argmax(axis=1), wanted))
    alone = [
        trace(network, UserInputs(given.x[at : at + 1]), means, Selection(), target=int(target))
        for at, target in enumerate(found.targets)
    ]
    for name, total in found.magnitudes.items():
        np.testing.assert_array_equal(total, sum(np.abs(one.synapses[name]) for one in alone))
        np.testing.assert_array_equal(found.synapses[name], sum(one.synapses[name] for one in alone))


def test_force_is_contribution_times_deviation(place: tuple[Network, UserInputs, Means]) -> None:
    network, given, means = place
    found = trace(network, given, means, Selection(), target=1)
    layer = network.flow.layers[0]
    forces: dict[str, np.ndarray] = {}
    traced = BatchTrace(network.flow, network.open()({"x": given.x}), means, Selection())

    def watch(name: str, contribution: np.ndarray) -> None:
        if name == layer.output:
            forces[name] = contribution * np.abs(traced.delta(name))

    traced.run(np.full(len(given), 1), watch)
    force = forces[layer.output].reshape(len(given), -1, *forces[layer.output].shape[2:])
    expected = [np.maximum(force, 0).sum(axis=(2, 3)), np.minimum(force, 0).sum(axis=(2, 3))]
    own = found.layers[layer.name]
    for got, wanted in zip((own.speaking, own.opposing), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5)
        assert got.any()
    np.testing.assert_array_equal(own.top, np.argsort(-own.speaking, axis=1, kind="stable")[:, : own.top.shape[1]])


@pytest.mark.parametrize("rule", ["threshold", "released"])
def test_one_worker_and_four_find_the_same(place: tuple[Network, UserInputs, Means], rule: str) -> None:
    selection = Selection(rule=rule)
    alone = trace(*place, selection, workers=1, batch_size=3)
    assert_same(alone, trace(*place, selection, workers=4, batch_size=3))
    assert_same(alone, trace(*place, selection, workers=2, batch_size=1))
    assert len(alone.targets) == 11


def test_the_sum_is_that_of_its_samples(place: tuple[Network, UserInputs, Means]) -> None:
    network, given, means = place
    whole = trace(network, given, means, Selection(), target=2)
    singles = [trace(network, UserInputs(given.x[i : i + 1]), means, Selection(), target=2) for i in range(len(given))]
    for name, found in whole.synapses.items():
        np.testing.assert_array_equal(found, sum(single.synapses[name] for single in singles))
    assert set(whole.targets) == {2}


def test_a_batch_that_does_not_fit_is_halved(
    place: tuple[Network, UserInputs, Means], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = trace(*place, Selection(), batch_size=8)
    original, seen = BatchTrace.run, []

    def tight(self: BatchTrace, targets: np.ndarray, watch: object) -> None:
        seen.append(len(targets))
        if len(targets) > 3:
            raise MemoryError("unable to allocate")
        original(self, targets, watch)  # type: ignore[arg-type]

    monkeypatch.setattr(BatchTrace, "run", tight)
    assert_same(expected, trace(*place, Selection(), batch_size=8))
    assert max(seen) == 8
    monkeypatch.setattr(BatchTrace, "run", lambda *_: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(MemoryShortError, match="a single sample"):
        trace(*place, Selection(), workers=2)


def test_the_batch_is_chosen_by_the_memory(
    place: tuple[Network, UserInputs, Means], monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = place[0].flow
    assert fitting(flow, 1) == engine.LARGEST

    class Little:
        available = 60_000

    monkeypatch.setattr("hubslice.tracing.engine.psutil.virtual_memory", Little)
    assert fitting(flow, 4) == 1
    Little.available = 1_000_000
    assert 1 < fitting(flow, 1) < engine.LARGEST


def test_what_is_not_finite_is_refused(place: tuple[Network, UserInputs, Means]) -> None:
    network, given, means = place
    x = given.x.copy()
    x[7, 0, 0, 0] = np.nan
    with pytest.raises(ExplainError, match="not finite"):
        trace(network, UserInputs(x), means, Selection(), workers=3, batch_size=2)


def test_means_by_class_are_those_of_the_predicted_class() -> None:
    model = attention()
    x, data = samples(model, 4, seed=1), samples(model, 12, seed=2)
    network = Network.of(model, {"x": x})
    predicted = network.open()({"x": x})[network.flow.output].argmax(axis=1)
    rows = {label: data[label::3] for label in range(3)}
    means = take_means(network, {label: [{"x": part}] for label, part in rows.items()}, neuron="element")
    found = trace(network, UserInputs(x), means, Selection())
    for sample in range(4):
        own = take_means(network, {0: [{"x": rows[int(predicted[sample])]}]}, neuron="element")
        single = trace(network, UserInputs(x[sample : sample + 1]), own, Selection())
        np.testing.assert_array_equal(found.leaves["x"][sample], single.leaves["x"][0])
    whole = take_means(network, {0: [{"x": np.concatenate(list(rows.values()))}]}, neuron="element")
    for name, table in means.tables.items():
        np.testing.assert_allclose(table[0], whole.tables[name][0], atol=1e-5)
