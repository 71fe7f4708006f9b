"""What the process does from which members are forked: it imports, and exports something for the first time.

A first export loads as much again as `import torch` does, and each one parses torch's library of ONNX functions anew,
which is done here once for all. Nothing of it leaves threads behind that a fork would lose.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib.pyplot
import torch
from torch.onnx._internal.exporter import _registration

import hubslice.models.load
import hubslice.run.run
import hubslice.tracing.engine
import hubslice.verbs.convert.function
import hubslice.verbs.convert.quantise
import hubslice.verbs.convert.service
import hubslice.verbs.detect.function
import hubslice.verbs.diff.function
import hubslice.verbs.execution.function
import hubslice.verbs.explain.function
import hubslice.verbs.explain.page
import hubslice.verbs.explain.plot
import hubslice.verbs.explain.service
import hubslice.verbs.exposure.function
import hubslice.verbs.latency.function
import hubslice.verbs.lineage.function
import hubslice.verbs.lineage.service
import hubslice.verbs.poison.function
import hubslice.verbs.poison.service
import hubslice.verbs.pull.function
import hubslice.verbs.push.function
import hubslice.verbs.slice.function
import hubslice.verbs.verify.function
from hubslice.graph.export import export_onnx

from . import trying

IMPORTED = (hubslice, matplotlib.pyplot, trying)


def warm() -> None:
    """Export a small network, and keep what every export needs."""
    registry: Any = _registration.ONNXRegistry
    registry.from_torchlib = staticmethod(cache(registry.from_torchlib))
    torch.set_num_threads(1)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.GELU())
    with tempfile.TemporaryDirectory() as folder:
        export_onnx(module, {"pixel_values": torch.rand(2, 3, 8, 8)}, Path(folder) / "model.onnx")


warm()
