"""python -m bench.commands: time the short commands and the ranking, and render the table."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import torch

from hubslice.core.artefact import Artefact, write_atomically

from ..machine import Machine

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ROUNDS = 9
COMMANDS = {
    "hubslice --help": ("--help",),
    "hubslice validate vision/drawings": ("validate", "vision/drawings"),
    "hubslice recipes ls": ("recipes", "ls"),
}


class Results(Artefact):
    """Milliseconds of every round by command; weights, seconds and added MiB of every round of ranking."""

    machine: Machine
    commands: dict[str, tuple[float, ...]]
    ranking: tuple[dict[str, float], ...]


def main() -> None:
    """Measure and render."""
    results = Results(
        machine=Machine.here(torch.get_num_threads()),
        commands={shown: _time(*given) for shown, given in COMMANDS.items()},
        ranking=tuple(_rank() for _ in range(3)),
    )
    results.save(HERE / "results.json")
    write_atomically(HERE / "table.md", _table(results))


def _time(*arguments: str) -> tuple[float, ...]:
    """Milliseconds of a new process, round by round, after one that fills the disk's cache."""
    found = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "hubslice", *arguments], cwd=ROOT, check=True, capture_output=True)
        found.append(round(1000 * (time.perf_counter() - started), 1))
    return tuple(found[1:])


def _rank() -> dict[str, float]:
    command = [sys.executable, "-m", "bench.commands.ranking"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _table(results: Results) -> str:
    lines = [
        "# Short commands, and ranking",
        "",
        "| command | rounds | median | slowest |",
        "| --- | ---: | ---: | ---: |",
    ]
    for shown, found in results.commands.items():
        lines.append(f"| `{shown}` | {len(found)} | {median(found):.0f} ms | {max(found):.0f} ms |")
    seconds, added = ([each[key] for each in results.ranking] for key in ("seconds", "added_mib"))
    lines += [
        "",
        "| ranking (ReMoS, ResNet-18) | rounds | median | slowest | added memory |",
        "| --- | ---: | ---: | ---: | ---: |",
        f"| {int(results.ranking[0]['weights']):,} weights | {len(seconds)} | {median(seconds):.2f} s "
        f"| {max(seconds):.2f} s | {median(added):.0f} MiB |",
        "",
        f"`python -m bench.commands`; {results.machine.line}.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
