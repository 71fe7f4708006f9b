"""python -m bench.faults.worker: the trials of one group, in a process of its own that the commands are forked from."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from pathlib import Path

from hubslice.core.errors import RunError

from ..machine import Machine
from . import files, hub, kills, names
from .outcome import Outcome, versions

SAVED = 25  # trials between two notes of the outcome
PARTS = {each.PART: each for each in (files, hub, kills, names)}


def main() -> None:
    """Parse the arguments, warm up, make the trials that are missing."""
    parser = argparse.ArgumentParser(prog="python -m bench.faults.worker", description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("group")
    parser.add_argument("place", type=Path)
    parser.add_argument("outcome", type=Path)
    parser.add_argument("--failed", action="store_true", help="those once more that did not end well")
    parser.add_argument("--only", help="this trial alone, and note nothing")
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    part = PARTS[given.part]
    group = part.GROUPS[given.group]
    outcome = _outcome(given)
    wanted = [given.only] if given.only is not None else part.names(group)[outcome.tried :]
    if given.failed:
        wanted = [each.name for each in outcome.failures]
    with tempfile.TemporaryDirectory(prefix="hubslice-faults-") as scratch:
        os.environ["HUBSLICE_CACHE"] = str(Path(scratch) / "cache")
        for number, trial in enumerate(part.trials(group, wanted, given.place, Path(scratch), given.keep)):
            outcome = outcome.with_trial(trial)
            for told in trial.wrong:
                print(f"{given.group} {trial.name}: {told[:200]}", file=sys.stderr, flush=True)
            if given.only is not None:
                print(trial.model_dump_json(indent=1))
            elif number % SAVED == 0 or trial.wrong:
                outcome.save(given.outcome)
    if given.only is None:
        outcome.save(given.outcome)


def _outcome(given: argparse.Namespace) -> Outcome:
    """What is known of the group, of these versions; else an outcome without trials."""
    with contextlib.suppress(RunError):
        outcome = Outcome.load(given.outcome)
        if outcome.versions == versions() and given.only is None:
            return outcome
    return Outcome(part=given.part, group=given.group, versions=versions(), commit=Machine.here(1).commit)


if __name__ == "__main__":
    main()
