"""Rank and number of processes of a distributed run, started with `accelerate launch` or `torchrun`.

Both launchers set these environment variables for each process. Rank 0 leads; the others only help with training.
"""

from __future__ import annotations

import os


def world() -> int:
    """Return the number of processes of this run."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def leads() -> bool:
    """Return whether this process writes files and prints output."""
    return int(os.environ.get("RANK", "0")) == 0


def local_rank() -> int:
    """Return the number of this process on its machine, which is also that of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))
