"""One search, and what is kept of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

import hubslice
from hubslice.artefacts.deviation import Deviations
from hubslice.core.artefact import Artefact, write_atomically

from ..machine import Machine
from .pairs import Pair
from .plan import Trial


class Outcome(Artefact):
    """A trial, by seed on which both models agree.

    `queries` until the trigger, None where there was none; `linf`, `l2` (both in levels of 8 bits) and `ssim` of the
    triggers found, in their order. `asked` counts all queries, those of seeds without a trigger, too.
    """

    trial: str
    pair: str
    way: str
    bound: str
    seed: int
    budget: int
    disagreed: int
    queries: tuple[int | None, ...]
    asked: int
    shrinking: int
    seconds: float
    linf: tuple[int, ...]
    l2: tuple[float, ...]
    ssim: tuple[float, ...]
    triggers: dict[str, int]  # by the operator that made them
    machine: str

    def save(self, path: Path) -> None:
        """On one line: these are long lists of numbers."""
        write_atomically(path, f"{self.model_dump_json()}\n")

    @property
    def found(self) -> int:
        """Seeds with a trigger."""
        return sum(query is not None for query in self.queries)


def search(trial: Trial, pair: Pair, root: Path) -> Outcome:
    """Search; what is finished of a killed search is not searched again."""
    folder = root / trial.name
    found: Deviations = hubslice.diff(pair.a, pair.b, pair.seeds, out=folder, device="cpu", **trial.options)  # type: ignore[arg-type]
    shutil.rmtree(folder)  # its triggers are not needed, and take gigabytes over all trials
    tried = [result for result in found.results if result.state != "disagreed"]
    changes = [result.change for result in tried if result.change is not None and result.state == "found"]
    return Outcome(
        trial=trial.name,
        pair=trial.pair,
        way=trial.way,
        bound=trial.bound,
        seed=trial.seed,
        budget=trial.budget,
        disagreed=found.disagreed.hits,
        queries=tuple(result.queries if result.state == "found" else None for result in tried),
        asked=sum(result.queries for result in tried),
        shrinking=sum(result.shrinking for result in tried),
        seconds=round(sum(result.seconds or 0.0 for result in tried), 2),
        linf=tuple(change.linf for change in changes),
        l2=tuple(round(change.l2, 1) for change in changes),
        ssim=tuple(round(change.ssim, 4) for change in changes),
        triggers={use.name: use.triggers for use in found.operators},
        machine=Machine.here(torch.get_num_threads()).line,
    )
