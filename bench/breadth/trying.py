"""One member through all stages, in a process that may be ended at any time."""

from __future__ import annotations

import os
import resource
import signal
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

import torch
import transformers

from hubslice.core.errors import HubsliceError
from hubslice.terminal.errors import describe

from .member import Member
from .outcome import Outcome, Stage, versions
from .stages import NEEDS, STAGES, Job, Missed, Whole

TRACE = "traceback.txt"


class OutOfTime(BaseException):
    """A stage took longer than it may; no `Exception`, so that nothing under test takes it for a fault of its own."""


def try_member(member: Member, place: Path, path: Path, limit: int, commit: str) -> None:
    """Go through the stages in the folder `place`; after each, what is known lies at `path`."""
    os.setsid()  # all that it starts is ended with it
    for stream in (1, 2):
        os.dup2(os.open(place / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    transformers.utils.logging.set_verbosity_error()
    signal.signal(signal.SIGPROF, _end)
    outcome, done = Outcome(member=member, versions=versions(), stages=(), commit=commit), {"build"}
    job = Job(member, place)
    built = _try("build", job.prepare, place, limit)
    if built.state != "ok":
        outcome.with_stage(built).save(path)
        return
    for name in STAGES:
        outcome.with_stage(Stage(name=name, state="failed", told=UNFINISHED)).save(path)
        if (needed := NEEDS.get(name, "build")) in done:
            job = Job(member, place, frozenset(done))
            stage = _try(name, partial(STAGES[name], job), place, limit)
        else:
            stage = Stage(name=name, state="blocked", told=needed)
        done |= {name} if stage.state == "ok" else set()
        outcome = outcome.with_stage(stage)
        outcome.save(path)


UNFINISHED = "the process ended in this stage"


def _try(name: str, do: Callable[[], None], place: Path, limit: int) -> Stage:
    started = _spent()
    state, told, error_name, code = "ok", "", "", 0
    signal.setitimer(signal.ITIMER_PROF, limit)  # of computing, whatever else the machine does
    try:
        do()
    except OutOfTime:
        state, told, error_name = "failed", f"not finished after {limit} s of computing", "OutOfTime"
        _keep(name, place)
    except Whole as error:
        state, told = "whole", str(error)
    except Missed as error:
        state, told, error_name = "failed", str(error), "Missed"
    except Exception as error:
        failure = describe(error)
        refused = isinstance(error, HubsliceError) and failure.exit_code != 4
        state, error_name, code = "refused" if refused else "failed", type(error).__name__, failure.exit_code
        told = failure.message + (f" ({failure.hint})" if failure.hint and refused else "")
        _keep(name, place)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    told = told.replace(f"{place}/", "")
    seconds = round(_spent() - started, 2)
    return Stage(name=name, state=state, told=told, error=error_name, exit_code=code, seconds=seconds)


def _spent() -> float:
    """Seconds of computing, of this process and of those that it started."""
    found = (resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in found)


def _keep(name: str, place: Path) -> None:
    """Leave the traceback where the member's folder is kept."""
    with (place / TRACE).open("a") as file:
        file.write(f"== {name}\n{traceback.format_exc()}\n")


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise OutOfTime
