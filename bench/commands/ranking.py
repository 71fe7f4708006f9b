"""Ranking a ResNet-18 in a process of its own: prints weights, seconds and added peak memory as JSON.

The weights are timm's initialisation and the coverage is drawn: neither changes the work of sorting.
"""

from __future__ import annotations

import json
import resource
import time

import numpy as np
import timm

from hubslice.artefacts.profile import NC, Profile
from hubslice.graph.layer import Layer, TensorRef
from hubslice.graph.neuron_map import NeuronMap
from hubslice.recipe.slicing import RemosParams
from hubslice.slicing.registry import make_slice


def main() -> None:
    """Rank, and print what it cost."""
    kernels = {n: p.detach().numpy() for n, p in timm.create_model("resnet18").named_parameters() if p.ndim == 4}
    rng = np.random.default_rng(0)
    layers: list[Layer] = []
    counts: dict[str, np.ndarray] = {}
    for name, kernel in kernels.items():
        outs, ins, *positions = kernel.shape
        ends = []
        for side, channels in (("in", ins), ("out", outs)):
            key = f"{name}.{side}"
            ends.append(TensorRef(name=key, key=key, rank=4, channels=channels, channel_axis=1, sample_axis=0))
            counts[key] = rng.integers(0, 500, channels)
        layers.append(
            Layer(
                node=name,
                op="Conv",
                module=name,
                parameter=name,
                kind="conv",
                groups=1,
                in_channels=ins,
                out_channels=outs,
                kernel=tuple(positions),
                out_axis=0,
                in_axis=1,
                computed=False,
                input=ends[0],
                output=ends[1],
            )
        )
    profile = Profile(counts, 500, NC, "CPUExecutionProvider", "", "")
    neurons = NeuronMap(layers=tuple(layers), unmapped=())
    before, started = _peak(), time.perf_counter()
    made = make_slice(RemosParams(), kernels, neurons, profile, frozenset(), 0)
    seconds = time.perf_counter() - started
    print(json.dumps({"weights": made.weights, "seconds": seconds, "added_mib": (_peak() - before) / 1024}))


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
