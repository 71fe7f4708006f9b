"""Several processes on one run, as `accelerate launch` and `torchrun` start them: one leads, the others help to train.

Both launchers tell each process its place in these environment variables.
"""

from __future__ import annotations

import os


def world() -> int:
    """Number of processes that work on this run."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def leads() -> bool:
    """Whether this is the process that writes files and talks to people."""
    return int(os.environ.get("RANK", "0")) == 0


def local_rank() -> int:
    """The number of this process on its machine, which is that of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))
