"""Repair: what training on half of the triggers brings on the other half, and what it costs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

import hubslice
from hubslice.artefacts.repair import Repair
from hubslice.core.artefact import Artefact
from hubslice.core.progress import Reporter

from ..machine import Machine
from .pairs import NETWORKS, model_of, pair_of, run_of
from .plan import LINF

PAIRS = ("vgg-pruned", "lenet-distilled", "resnet-pruned")
BUDGET, SEEDS = 1000, 500
BOUNDED_BUDGET, BOUNDED_SEEDS = 300, 300  # most seeds have no trigger so near, and use all of their queries
RANDOM_SEEDS = range(2)


class Repaired(Artefact):
    """A repair with one random seed."""

    pair: str
    bound: str
    seed: int
    repair: Repair
    machine: str


@dataclass(frozen=True)
class Job:
    """What is repaired."""

    pair: str
    bound: str
    seed: int

    @property
    def name(self) -> str:
        """What its outcome is called."""
        return "-".join(filter(None, ("repair", self.pair, self.bound, str(self.seed))))


def jobs() -> Iterator[Job]:
    """All, one random seed after the other."""
    for seed in RANDOM_SEEDS:
        for bound in ("", "16") if seed == 0 else ("",):
            for pair in PAIRS:
                yield Job(pair, bound, seed)


def repair(job: Job, root: Path, reporter: Reporter) -> Repaired:
    """Search, repair, search again; the searches of a killed one are not done again."""
    seeds = pair_of(job.pair, reporter).seeds
    network, _, form = job.pair.partition("-")
    folder = root / job.name
    found = hubslice.diff(
        run_of(NETWORKS[network], reporter),
        model_of(NETWORKS[network], form, reporter),
        seeds,
        budget=BOUNDED_BUDGET if job.bound else BUDGET,
        max_linf=LINF if job.bound else None,
        limit=BOUNDED_SEEDS if job.bound else SEEDS,
        seed=job.seed,
        repair=folder / "repaired",
        out=folder / "found",
        device="cpu",
        reporter=reporter,
    )
    if found.repair is None:
        raise SystemExit(f"{job.name}: no triggers")
    shutil.rmtree(folder)
    made = found.repair.model_copy(update={"a": network, "b": job.pair, "folder": "", "held_out": ()})
    if made.accuracy is not None:  # told as the run's, whose folder is this machine's
        made = made.model_copy(update={"accuracy": made.accuracy.model_copy(update={"source": "the test split"})})
    machine = Machine.here(torch.get_num_threads()).line
    return Repaired(pair=job.pair, bound=job.bound, seed=job.seed, repair=made, machine=machine)
