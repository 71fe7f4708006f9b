"""Peak memory does not grow with the number of samples; measured in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.graph.architectures import exported, from_timm

PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from hubslice.artefacts.profile import NC
from hubslice.graph.neuron_map import NeuronMap
from hubslice.profiling.coverage import profile

def memory(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))

class Zeros:
    fingerprint = "zeros"
    def __init__(self, n): self.n = n
    def __len__(self): return self.n
    def batch(self, start, stop):
        if start == 0:  # the graph is loaded: from here on it is the run
            Path("/proc/self/clear_refs").write_text("5")  # resets the peak
            self.before = memory("VmRSS")
        return {"pixel_values": np.zeros((stop - start, 3, 160, 160), np.float32)}

data = Zeros(int(sys.argv[3]))
profile(Path(sys.argv[1]), NeuronMap.load(Path(sys.argv[2])), data, NC, batch_size=16, threads=2)
print(memory("VmHWM") - data.before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
def test_peak_memory_is_flat(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    case = exported(replace(from_timm("resnet18", 160), name="resnet18-160"), tmp_path_factory)
    case.neurons.save(tmp_path / "map.json")

    def added(samples: int) -> int:
        """Peak resident memory that profiling `samples` samples adds, in KiB."""
        command = [sys.executable, "-c", PROGRAM, str(case.path), str(tmp_path / "map.json"), str(samples)]
        root = Path(__file__).parents[2]
        environment = {**os.environ, "PYTHONPATH": str(root)}
        return int(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)

    few, many = added(64), added(256)
    assert few > 0
    assert abs(many - few) < 0.2 * few
