"""Queries a second against the number of seeds that are searched in lockstep, and one after the other."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

import hubslice
from hubslice.core.artefact import Artefact

from ..machine import Machine
from .pairs import TITLED, Pair

LANES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SEEDS, BUDGET = 256, 40


class Throughput(Artefact):
    """Queries a second, by seeds searched at a time; both models are asked in each query."""

    pair: str
    rates: dict[int, float]
    machine: str


def measure(pair: Pair) -> Throughput:
    """Search with random mutations, which most seeds need all of their queries for."""
    rates = {}
    with tempfile.TemporaryDirectory() as folder:
        for lanes in LANES:
            found = hubslice.diff(
                pair.a,
                pair.b,
                pair.seeds,
                method="random",
                budget=BUDGET,
                limit=min(SEEDS, 8 * lanes),
                batch=lanes,
                device="cpu",
                out=Path(folder) / str(lanes),
            )
            seconds = sum(result.seconds or 0.0 for result in found.results)
            rates[lanes] = round(found.queries / seconds, 1)
            print(f"{lanes} seeds at a time: {rates[lanes]:.0f} queries a second", flush=True)
    return Throughput(pair=TITLED[pair.name], rates=rates, machine=Machine.here(torch.get_num_threads()).line)
