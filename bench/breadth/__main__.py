"""python -m bench.breadth: every family of timm and transformers through all stages, as far as it was not; it resumes.

An hour on two cores. `--only NAME` tries the members whose key holds NAME (several may be given), `--again failed`
those once more that did not come through, `--again all` all. `--keep DIR` leaves their folders there, with tracebacks.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import timm

from hubslice.core.errors import RunError

from .member import Member, Members
from .outcome import Outcome
from .render import render
from .sweep import Limits, missing, sweep

HERE = Path(__file__).parent
MEMBERS = HERE / "members.json"
OUTCOMES = HERE / "outcomes"


def main() -> None:
    """Parse the arguments, do what is missing, render."""
    parser = argparse.ArgumentParser(prog="python -m bench.breadth", description=__doc__)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="members whose key holds this")
    parser.add_argument("--again", choices=("failed", "all"), help="try again what was tried with the same versions")
    parser.add_argument("--workers", type=int, default=1, help="members at a time")
    parser.add_argument("--limit", type=int, default=Limits.member, help="seconds that a member may take")
    parser.add_argument("--keep", type=Path, help="a folder for what the members leave")
    parser.add_argument("--render", action="store_true", help="render what is there")
    given = parser.parse_args()
    if not given.render:
        chosen = [each for each in members() if not given.only or any(name in each.key for name in given.only)]
        wanted = missing(chosen, OUTCOMES, given.again)
        print(f"{len(wanted)} of {len(chosen)} members to try", flush=True)
        limits = Limits(stage=min(Limits.stage, given.limit), member=given.limit, workers=given.workers)
        sweep(wanted, OUTCOMES, limits, _tell, given.keep)
    render(OUTCOMES, HERE, members())


def members() -> tuple[Member, ...]:
    """All of them, as chosen before for this version of timm and noted."""
    from .transformers_members import transformers_members

    try:
        noted = Members.load(MEMBERS)
    except RunError:
        noted = None
    if noted is None or noted.timm != timm.__version__:
        from .timm_members import timm_members

        print("choosing the smallest architecture of each module of timm: some minutes", flush=True)
        noted = Members(timm=timm.__version__, members=tuple(timm_members()))
        noted.save(MEMBERS)
    return (*noted.members, *transformers_members())


def _tell(outcome: Outcome) -> None:
    reason = outcome.reason
    told = "all stages" if reason is None else f"{reason.name} {reason.state}: {reason.told[:160]}"
    print(f"{outcome.member.key:34} {outcome.seconds:6.1f} s  {told}", flush=True)


if __name__ == "__main__":
    main()
