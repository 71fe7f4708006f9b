"""The demo's teacher is the real one, and the whole of it can be sliced."""

from __future__ import annotations

from pathlib import Path

import pytest

import hubslice
from hubslice.graph.neuron_map import NeuronMap
from tests.demo.teacher import ARCHITECTURE, PACKAGE, write_teacher

ASSETS = Path(__file__).parents[2] / ".assets"


@pytest.mark.slow
@pytest.mark.skipif(not (ASSETS / PACKAGE).is_dir(), reason="`make assets` fetches the weights")
def test_real_imagenet_weights_are_pulled_checked_and_mapped(tmp_path: Path) -> None:
    pulled = hubslice.pull(str(write_teacher(ASSETS, tmp_path / "teacher")), input_size=96, out=tmp_path / "pulled")
    assert pulled.facts.architecture == ARCHITECTURE
    assert pulled.facts.parameters == 4_652_008
    assert pulled.facts.license == "apache-2.0"
    assert pulled.parity.max_abs_difference <= pulled.parity.tolerance
    neurons = NeuronMap.load(pulled.neurons)
    assert not neurons.unmapped
    assert {layer.kind for layer in neurons.layers} == {"conv", "depthwise", "linear"}
