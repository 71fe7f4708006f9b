"""Measure a model's memory in a separate process: python -m hubslice.verbs.latency.memory JOB."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import psutil

from hubslice.core.errors import MemoryShortError, ModelError

EVERY = 0.002  # seconds between two samples
CALLS = 3


def added_bytes(
    name: str, graph: Path, device: str, threads: int | None, batch: int, size: tuple[int, int, int]
) -> int:
    """Return the peak bytes of opening the graph and running it at a batch size, beyond what the process used before.

    On a GPU it is GPU memory.

    Raises:
        MemoryShortError: the process was killed, as happens when the machine is out of memory.
        ModelError: the graph cannot be run.
    """
    job = {"graph": str(graph), "device": device, "threads": threads, "batch": batch, "size": size}
    command = [sys.executable, "-m", "hubslice.verbs.latency.memory", json.dumps(job)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode < 0:
        raise MemoryShortError(
            f"the process that ran {name} at a batch of {batch} was ended (signal {-done.returncode}), probably "
            "because memory did not suffice",
            hint="measure smaller batches with --batch, or leave memory out with --no-memory",
        )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise ModelError(f"the memory of {name} cannot be measured: {lines[-1]}", hint="leave it out with --no-memory")
    return int(json.loads(done.stdout)["added"])


def main() -> None:
    """Print the added bytes as JSON."""
    from hubslice.graph.runner import open_runner

    job = json.loads(sys.argv[1])
    gpu = job["device"] != "cpu"
    before = _gpu_taken(job["device"]) if gpu else _rss()
    peak, done = [before], threading.Event()

    def watch() -> None:
        while not done.wait(EVERY):
            peak[0] = max(peak[0], _rss())

    watcher = threading.Thread(target=watch, daemon=True)
    if not gpu:
        watcher.start()
    runner = open_runner(job["graph"], Path(job["graph"]), job["device"], job["threads"])
    call = runner.call(job["batch"], tuple(job["size"]))
    for _ in range(CALLS):
        call()
    done.set()
    after = _gpu_taken(job["device"]) if gpu else _rss()
    sys.stdout.write(json.dumps({"added": max(peak[0], after) - before}))


def _rss() -> int:
    return int(psutil.Process().memory_info().rss)


def _gpu_taken(device: str) -> int:
    import torch

    free, total = torch.cuda.mem_get_info(device)
    return int(total - free)


if __name__ == "__main__":
    main()
