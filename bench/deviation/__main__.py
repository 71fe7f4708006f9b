"""python -m bench.deviation [--pair NAME] [--way NAME]: search what is not searched yet, measure throughput, render.

Every search is a file of its own, and goes on where a killed one was. The networks are trained first, if they are not
there.
"""

from __future__ import annotations

import argparse
import time

from hubslice.terminal.reporters import Lines

from .pairs import NAMES, RUNS, pair_of
from .plan import ALL_WAYS, trials
from .render import OUTCOMES, THROUGHPUT, render
from .repairs import jobs, repair
from .run import search
from .throughput import measure


def main() -> None:
    """Parse the arguments, search, render."""
    parser = argparse.ArgumentParser(prog="python -m bench.deviation", description=__doc__)
    parser.add_argument("--pair", choices=NAMES, action="append", help="search this, and nothing else")
    parser.add_argument("--way", choices=sorted(ALL_WAYS), action="append", help="search so, and nothing else")
    parser.add_argument("--repair", action="store_true", help="repair what is not repaired yet, and nothing else")
    parser.add_argument("--throughput", action="store_true", help="measure throughput again, and nothing else")
    parser.add_argument("--render", action="store_true", help="render what is there")
    given = parser.parse_args()
    OUTCOMES.mkdir(exist_ok=True)
    reporter = Lines()
    searching = not (given.render or given.throughput or given.repair)
    everything = searching and not (given.pair or given.way)
    if searching:
        for trial in trials():
            path = OUTCOMES / f"{trial.name}.json"
            if path.is_file() or trial.pair not in (given.pair or NAMES) or trial.way not in (given.way or ALL_WAYS):
                continue
            started = time.perf_counter()
            outcome = search(trial, pair_of(trial.pair, reporter), RUNS / "searches")
            outcome.save(path)
            seconds = time.perf_counter() - started
            print(f"{trial.name}: {outcome.found} of {len(outcome.queries)}, {seconds:.0f} s", flush=True)
    if everything or given.repair:
        for job in jobs():
            path = OUTCOMES / f"{job.name}.json"
            if not path.is_file():
                repaired = repair(job, RUNS / "repairs", reporter)
                repaired.save(path)
                gone = repaired.repair.gone
                print(f"{job.name}: {gone.hits} of {gone.total} gone", flush=True)
    if given.throughput or (everything and not THROUGHPUT.is_file()):
        measure(pair_of("vgg-int8", reporter)).save(THROUGHPUT)
    render()


if __name__ == "__main__":
    main()
