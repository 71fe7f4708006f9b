"""python -m bench.execution [--stack NAME ...] [--network NAME ...] [--shard K/N]: record, judge, render.

All patterns must come from one machine; shards are for several processes on it, one after the other if times are to be
trusted. What was recorded is kept under runs/bench/execution and not recorded again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..machine import Machine
from .judge import Results, judge
from .networks import NETWORKS
from .render import RESULTS, render
from .run import CONDITIONS, KNOWN, missing, solve

RUNS = Path(__file__).parents[2] / "runs" / "bench" / "execution"
BASE = ("eager", "compiled", "ort-none", "ort-all")
EXPORTERS = ("ort-none-plain", "ort-all-plain", "ort-none-script", "ort-all-script")
STEADY = (KNOWN, "quiet", "busy")  # conditions that exporters are recorded under


def main() -> None:
    """Parse the arguments, record, judge, render."""
    parser = argparse.ArgumentParser(prog="python -m bench.execution", description=__doc__)
    parser.add_argument("--stack", nargs="+", choices=(*BASE, *EXPORTERS), default=(*BASE, *EXPORTERS))
    parser.add_argument("--network", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--condition", nargs="+", choices=(KNOWN, *CONDITIONS), default=(KNOWN, *CONDITIONS))
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--shard", default="1/1", metavar="K/N", help="every Nth network, beginning with the Kth")
    parser.add_argument("--folder", type=Path, default=RUNS, help="where traces and graphs are kept")
    parser.add_argument("--record", action="store_true", help="record only")
    parser.add_argument("--judge", action="store_true", help="judge what was recorded, whatever is missing")
    parser.add_argument("--render", action="store_true", help="render what was judged")
    given = parser.parse_args()
    if not given.render:
        if not given.judge:
            _record(given)
        if given.record:
            return
        judge(given.folder, given.stack, Machine.here(1)).save(RESULTS)
    render(Results.load(RESULTS))


def _record(given: argparse.Namespace) -> None:
    first, step = map(int, given.shard.split("/"))
    networks = given.network[first - 1 :: step]
    for stacks, conditions in ((BASE, given.condition), (EXPORTERS, [c for c in STEADY if c in given.condition])):
        wanted = [stack for stack in given.stack if stack in stacks]
        for condition, network, open_ in missing(given.folder, networks, wanted, conditions):
            solve(given.folder, network, open_, condition, given.runs)
            print(f"{condition}: {network} on {', '.join(open_)}", flush=True)


if __name__ == "__main__":
    main()
