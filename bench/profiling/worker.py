"""One measurement in a process of its own: python -m bench.profiling.worker MODEL POOL.npy METHOD TOTAL THREADS."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil

from .methods import METHODS, Images


def main() -> None:
    """Print seconds and added peak memory (MiB over what the process held before) as JSON."""
    model, pool, method, total, threads = sys.argv[1:]
    # A copy in memory: pages of a mapped file would be counted as they are touched.
    images = Images(np.load(pool), int(total))
    process, done, peak = psutil.Process(), threading.Event(), [0]

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], process.memory_info().rss)

    before = process.memory_info().rss
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    started = time.perf_counter()
    METHODS[method](Path(model), images, int(threads))
    seconds = time.perf_counter() - started
    done.set()
    watcher.join()
    print(json.dumps({"seconds": seconds, "added_mib": max(peak[0] - before, 0) / 2**20}))


if __name__ == "__main__":
    main()
