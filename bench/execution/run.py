"""Recording: every network on every stack, once to be known by, and again under conditions that may hide it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hubslice.core.artefact import write_atomically
from hubslice.core.errors import HubsliceError
from hubslice.core.progress import Silent
from hubslice.models.base import Model
from hubslice.verbs.execution.recording import Wanted, record, site
from hubslice.verbs.execution.stacks import STACKS, Stack
from hubslice.verbs.execution.store import save_patterns

from .networks import SIDE, build, narrowed
from .padding import pad_graph, padded_module

KNOWN = "known"
CONDITIONS = {
    "quiet": "as recorded",
    "busy": "other processes busy on every core",
    "threads": "2 threads, recorded with 1",
    "batch": "batches of 4, recorded with 1",
    "narrow": "every second channel taken out",
    "padded": "useless operators in between",
}
# Ends by itself where the process that measures was killed.
BUSY = "import os\nparent, a = os.getppid(), bytearray(1 << 24)\nwhile os.getppid() == parent:\n    b = bytes(a)"


def path_of(runs: Path, network: str, stack: str, condition: str) -> Path:
    """Where the traces of a condition are, or beside them, with the suffix .txt, why there are none."""
    return runs / "patterns" / network / f"{stack}-{condition}.safetensors"


def missing(
    runs: Path, networks: Sequence[str], stacks: Sequence[str], conditions: Sequence[str]
) -> Iterator[tuple[str, str, list[str]]]:
    """What is still to be recorded, as condition, network and stacks; what is to be known by comes first."""
    for condition in conditions:
        for network in networks:
            paths = {stack: path_of(runs, network, stack, condition) for stack in stacks}
            open_ = [
                stack for stack, path in paths.items() if not path.is_file() and not path.with_suffix(".txt").is_file()
            ]
            if open_:
                yield condition, network, open_


def solve(runs: Path, network: str, stacks: Sequence[str], condition: str, count: int) -> None:
    """Record one network under one condition on these stacks, with weights that the known one does not have."""
    model = build(network, seed=0 if condition == KNOWN else 1)
    folder = runs / "graphs" / network
    if condition == "narrow":
        try:
            model, folder = narrowed(model), runs / "graphs" / f"{network}-narrow"
        except HubsliceError as error:
            for stack in stacks:
                _refuse(path_of(runs, network, stack, condition), error.message)
            return
    folder.mkdir(parents=True, exist_ok=True)
    for name in stacks:
        _solve(runs, network, model, folder, STACKS[name], condition, count)


def _solve(runs: Path, network: str, model: Model, folder: Path, stack: Stack, condition: str, count: int) -> None:
    path = path_of(runs, network, stack.name, condition)
    threads, batch = (2 if condition == "threads" else 1), (4 if condition == "batch" else 1)
    wanted = Wanted((stack,), count, batch, threads, SIDE, "cpu")
    try:
        with busy(condition == "busy"):
            if condition != "padded":
                found = record(network, model, wanted, folder, Silent())
            elif stack.exporter is None:
                if stack.level == "compiled":
                    raise HubsliceError("what is not used is left out by the compiler")
                with padded_module(model.module, seed=1):
                    found = record(network, model, wanted, folder, Silent())
            else:
                padded = folder.with_name(f"{network}-padded")
                pad_graph(folder / f"{stack.exporter}.onnx", padded / f"{stack.exporter}.onnx", seed=1)
                found = record(network, model, wanted, padded, Silent())
        save_patterns(path, found.patterns, site("cpu"))
    except HubsliceError as error:
        _refuse(path, error.message)


def refusals(runs: Path) -> dict[str, str]:
    """Why traces are missing, by network, stack and condition."""
    return {
        f"{path.parent.name} {path.stem}": path.read_text().strip()
        for path in sorted((runs / "patterns").glob("*/*.txt"))
    }


@contextmanager
def busy(wanted: bool) -> Iterator[None]:
    """Within, a process on every core copies memory, if that is `wanted`."""
    count = (os.cpu_count() or 1) if wanted else 0
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def _refuse(path: Path, why: str) -> None:
    write_atomically(path.with_suffix(".txt"), why + "\n")
