"""python -m bench.explaining: time and memory of dynamic slices, by network, rule, theta, batch and workers.

Each case runs in a process of its own. What results.json has is not measured again; `--rough` takes few samples and
writes nothing, for a look while the machine is busy.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import psutil

from hubslice.core.artefact import Artefact, write_atomically

from ..machine import Machine
from .networks import NETWORKS, SMALL

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RESULTS = HERE / "results.json"
CORES = 2


class Case(Artefact):
    """What is measured: `method` is a rule, the tests' slow reference, or a backward pass of the network."""

    network: str
    method: str
    theta: float = 0.1
    batch: int = 16
    workers: int = CORES
    samples: int = 64


class Measured(Artefact):
    """Seconds of a sample, elapsed and of all cores together; MiB added at the peak; the share of live neurons."""

    case: Case
    seconds: float
    busy: float
    live: float | None = None
    added_mib: float | None = None


class Results(Artefact):
    """All measurements. `others` is the number of processes that were running before, on average over a minute."""

    machine: Machine
    others: float
    measured: tuple[Measured, ...] = ()


def cases(rough: bool) -> list[Case]:
    """All that is measured, quick ones first."""
    found = [Case(network=SMALL, method=method, batch=1, workers=1, samples=1) for method in ("threshold", "reference")]
    for network in NETWORKS:
        samples = 16 if "224" in network or rough else 64
        found += [Case(network=network, method="backward", samples=samples)]
        found += [Case(network=network, method="threshold", theta=theta, samples=samples) for theta in (0.0, 0.1, 0.3)]
        if not rough:
            batches = (1, 4, 64) if samples == 64 else (1, 4)
            found += [  # two batches for each worker at the least
                Case(network=network, method="threshold", batch=batch, samples=max(samples, 2 * CORES * batch))
                for batch in batches
            ]
            found += [Case(network=network, method="threshold", workers=workers, samples=samples) for workers in (1, 4)]
        found += [Case(network=network, method="released", batch=1, samples=2 if rough or "224" in network else 8)]
    return found


def main() -> None:
    """Measure what is missing, and render."""
    parser = argparse.ArgumentParser(prog="python -m bench.explaining", description=__doc__)
    parser.add_argument("--rough", action="store_true")
    parser.add_argument("--only", default="", help="cases whose network's name contains this")
    options = parser.parse_args()
    results = Results(machine=Machine.here(CORES), others=psutil.getloadavg()[0])
    if RESULTS.is_file() and not options.rough:
        results = Results.load(RESULTS)
    known = {measured.case for measured in results.measured}
    for case in cases(options.rough):
        if case in known or options.only not in case.network:
            continue
        command = [sys.executable, "-m", "bench.explaining.worker", case.model_dump_json()]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        measured = Measured(case=case, **json.loads(done.stdout.splitlines()[-1]))
        print(_row(measured), flush=True)
        results = results.model_copy(update={"measured": (*results.measured, measured)})
        if not options.rough:
            results.save(RESULTS)
            write_atomically(HERE / "table.md", render(results))


def render(results: Results) -> str:
    """The table."""
    lines = [
        "# What a dynamic slice costs",
        "",
        "Residual networks with random weights on noise, EfficientNet-Lite0 with ImageNet weights on drawings; "
        f"{CORES} cores. Slices with all synapses, summed over the samples. *Busy* is the time of all cores together, "
        "*added* the memory at the peak over that of the loaded network, *live* the share of neurons with a "
        "contribution.",
        "",
        "| network | method | batch | workers | samples | s a sample | busy | added, MiB | live |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(_row(measured) for measured in results.measured),
        "",
        f"`python -m bench.explaining`; beside {results.others:.1f} other processes; {results.machine.line}.",
        "",
    ]
    return "\n".join(lines)


def _row(measured: Measured) -> str:
    case = measured.case
    names = {
        "threshold": f"theta {case.theta:g}",
        "released": "released rule",
        "reference": "slow reference, theta 0.1",
        "backward": "backward pass, PyTorch",
    }
    added = "" if measured.added_mib is None else f"{measured.added_mib:.0f}"
    live = "" if measured.live is None else f"{measured.live:.0%}"
    return (
        f"| {case.network} | {names[case.method]} | {case.batch} | {case.workers} | {case.samples} | "
        f"{measured.seconds:.3g} | {measured.busy:.3g} | {added} | {live} |"
    )


if __name__ == "__main__":
    main()
