"""One finished run of a small recipe for all tests of a process that only look at it, or at copies of it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import hubslice
from tests.run.tiny import write_job

QUICK = """\
kind: slice
name: quick
teacher: {model: ./teacher, input_size: 32}
data: {path: ./shapes.parquet, group: group}
train: {epochs: 1, batch_size: 32}
audit:
  defects:
    - {kind: backdoor, target: red}
    - {kind: penultimate, eps: [8], steps: 1, objectives: [guided]}
gates: {max_dir: 1.0}
"""


@cache
def quick_run() -> Path:
    """The folder of the run; its recipe, teacher and data lie beside it."""
    folder = Path(tempfile.mkdtemp(prefix="hubslice-quick-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return hubslice.slice(write_job(folder, QUICK), out=folder / "run").path
