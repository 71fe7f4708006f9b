"""Slices one by one, by way of a part of the graph, against the whole trace."""

from __future__ import annotations

import numpy as np
import pytest

from hubslice.models.folder import load_model
from hubslice.tracing.engine import trace
from hubslice.tracing.means import take_means
from hubslice.tracing.network import Arrays
from hubslice.tracing.selection import Selection
from hubslice.tracing.traceable import TraceableModel, traceable_of
from hubslice.verbs.detect.vectors import tail, trace_each
from tests.tracing.small import pixels, write_model


class Pixels:
    def __init__(self, subject: TraceableModel, images: np.ndarray) -> None:
        self.subject, self.images = subject, images

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, start: int, stop: int) -> Arrays:
        return {self.subject.input: self.subject.prepare(self.images[start:stop])}


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> TraceableModel:
    return traceable_of(load_model(write_model(tmp_path_factory.mktemp("vectors") / "model")))


@pytest.mark.slow
@pytest.mark.parametrize("theta", [0.0, 0.2])
def test_channels_and_synapses_are_those_of_the_whole_trace(subject: TraceableModel, theta: float) -> None:
    samples, selection = Pixels(subject, pixels(5)), Selection(theta=theta)
    groups = lambda: {0: iter([samples.batch(0, 5), Pixels(subject, pixels(9, seed=4)).batch(0, 9)])}  # noqa: E731
    whole = trace(subject.network, samples, take_means(subject.network, groups()), selection)
    last = subject.network.flow.layers[-2].name
    part = tail(subject.network, [last])
    assert len(part.flow.ops) < len(subject.network.flow.ops)
    assert part.hash == subject.network.hash
    means = take_means(part, groups())
    assert set(means.tables) < set(subject.network.flow.deltas)
    logits, signed = trace_each(part, samples, means, selection, [last], shape="signed")
    np.testing.assert_array_equal(logits, whole.logits)
    np.testing.assert_array_equal(signed, whole.layers[last].channels)
    absolute = trace_each(part, samples, means, selection, [last], shape="absolute")[1]
    assert (absolute >= np.abs(signed)).all()
    assert absolute.any()
    synapses = trace_each(part, samples, means, selection, [last], shape="synapses")[1]
    np.testing.assert_array_equal(synapses.sum(axis=0), whole.synapses[last].reshape(-1))
