"""Ranking the weights of a ResNet-18: seconds and memory, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, resource, time
import numpy as np
import timm
from hubslice.artefacts.profile import NC, Profile
from hubslice.graph.layer import Layer, TensorRef
from hubslice.graph.neuron_map import NeuronMap
from hubslice.recipe.schema import RemosParams
from hubslice.slicing.registry import make_slice

shapes = {n: tuple(p.shape) for n, p in timm.create_model("resnet18").named_parameters() if p.ndim == 4}
rng = np.random.default_rng(0)
weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
layers, counts = [], {}
for name, (outs, ins, *kernel) in shapes.items():
    ends = []
    for side, channels in (("in", ins), ("out", outs)):
        key = f"{name}.{side}"
        ends.append(TensorRef(name=key, key=key, rank=4, channels=channels, channel_axis=1, sample_axis=0))
        counts[key] = rng.integers(0, 500, channels)
    layers.append(Layer(node=name, op="Conv", module=name, parameter=name, kind="conv", groups=1, in_channels=ins,
        out_channels=outs, kernel=tuple(kernel), out_axis=0, in_axis=1, computed=False, input=ends[0], output=ends[1]))
profile = Profile(counts, 500, NC, "CPUExecutionProvider", "", "")
before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
made = make_slice(RemosParams(), weights, NeuronMap(layers=tuple(layers), unmapped=()), profile, frozenset(), 0)
seconds = time.monotonic() - started
added = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
print(json.dumps({"weights": made.weights, "seconds": seconds, "mib": added}))
"""


@pytest.mark.slow
def test_eleven_million_weights_take_seconds_and_less_than_a_gibibyte() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["weights"] == 11_166_912
    assert found["seconds"] < 15  # one or two on an idle machine
    assert found["mib"] < 1024
