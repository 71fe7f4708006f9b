"""One measurement in a process of its own: takes a case as JSON, prints facts as JSON."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import psutil
import torch
from torch import nn

from hubslice.core.memory import peak_memory
from hubslice.graph.export import export_onnx
from hubslice.graph.folding import fold
from hubslice.tracing.engine import trace
from hubslice.tracing.means import Means, take_means
from hubslice.tracing.network import Arrays, Network
from hubslice.tracing.selection import Selection
from tests.tracing.reference import Reference

from .networks import build


class UserInputs:
    """Samples in memory."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, start: int, stop: int) -> Arrays:
        """Samples `start` to `stop` by the name of the graph's input."""
        return {"x": self.pixels[start:stop]}


def main() -> None:
    """Measure the case that the first argument tells."""
    case = json.loads(sys.argv[1])
    threads = case["workers"]
    torch.set_num_threads(threads)
    module, pixels, profiled = build(case["network"], case["samples"])
    if case["method"] == "backward":
        print(json.dumps(_backward(module, pixels, case["batch"])))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export_onnx(module, {"x": torch.from_numpy(pixels[:2])}, path)
        network = Network.of(fold(onnx.load(path)), {"x": profiled[:2]})
    means = take_means(network, {0: [{"x": profiled}]}, threads=threads)
    if case["method"] == "reference":
        print(json.dumps(_reference(network, pixels, means)))
        return
    selection = Selection(rule=case["method"], theta=case["theta"])
    trace(network, UserInputs(pixels[:1]), means, selection)  # compiles the kernels, or reads them from their cache
    before = psutil.Process().memory_info().rss
    with peak_memory() as peak:
        started, busy = time.perf_counter(), time.process_time()
        options = {"workers": case["workers"], "batch_size": case["batch"], "threads": threads}
        found = trace(network, UserInputs(pixels), means, selection, **options)
        seconds, busy = time.perf_counter() - started, time.process_time() - busy
    live = sum(int(layer.live.sum()) for layer in found.layers.values())
    every = sum(layer.total * len(pixels) for layer in found.layers.values())
    facts = {"seconds": seconds / len(pixels), "busy": busy / len(pixels), "live": live / every}
    print(json.dumps(facts | {"added_mib": (peak[0] - before) / 2**20}))


def _backward(module: nn.Module, pixels: np.ndarray, batch: int) -> dict[str, float]:
    """One forward and backward pass of the largest logits, to the inputs and the weights, with PyTorch."""
    started, busy = time.perf_counter(), time.process_time()
    for start in range(0, len(pixels), batch):
        x = torch.from_numpy(pixels[start : start + batch]).requires_grad_()
        module(x).amax(dim=1).sum().backward()
    return {
        "seconds": (time.perf_counter() - started) / len(pixels),
        "busy": (time.process_time() - busy) / len(pixels),
    }


def _reference(network: Network, pixels: np.ndarray, means: Means) -> dict[str, float]:
    """The tests' reference, in Python loops, one sample."""
    names = [name for node in network.model.graph.node for name in node.output]
    from hubslice.graph.session import open_session
    from hubslice.tracing.network import run_session, with_outputs

    session = open_session(with_outputs(network.model, names).SerializeToString(), level="none")
    values = run_session(session, [*names, "x"], {"x": pixels[:1]})
    started, busy = time.perf_counter(), time.process_time()
    reference = Reference(network.model, values, {name: table[0] for name, table in means.tables.items()})
    reference.trace(int(values[network.flow.output].argmax()), Selection())
    return {"seconds": time.perf_counter() - started, "busy": time.process_time() - busy}


if __name__ == "__main__":
    main()
