"""Identify the known model, exporter and software of a model by the order and durations of its operators."""

from __future__ import annotations

import csv
import io
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from hubslice.ancestry.candidates import each, expand
from hubslice.core.artefact import write_atomically
from hubslice.core.device import resolve_device
from hubslice.core.errors import LineageError
from hubslice.core.machine import faults_told
from hubslice.core.paths import as_path, as_text
from hubslice.core.progress import Reporter
from hubslice.core.whole_folder import check_free, whole_folder
from hubslice.files.sealed import check_replaceable
from hubslice.hub.ref import graph_at, parse_ref
from hubslice.verbs.execution.facts import Execution, Guess, Observation, Recorded, Settings
from hubslice.verbs.execution.identify import Identifier, check_runs
from hubslice.verbs.execution.params import ExecutionParams, PatternsParams
from hubslice.verbs.execution.recording import Records, Wanted, record, site
from hubslice.verbs.execution.stacks import OF_GRAPHS, USUAL, stacks_named
from hubslice.verbs.execution.store import KIND, load_patterns, save_patterns
from hubslice.verbs.execution.trace import Pattern

FACTS, TABLE, PLOT = "execution.json", "distances.csv", "timelines.png"
OURS = {FACTS, TABLE, PLOT}


def execution(params: ExecutionParams, reporter: Reporter) -> Execution:
    """Record a model and compare it."""
    started = time.perf_counter()
    model, store, out = as_text(params.model), as_path(params.store), as_path(params.out)
    against = [as_text(each) for each in params.against]
    if store is not None and against:
        raise LineageError(
            "give either models to compare with or a store of their patterns",
            hint="--against MODEL ..., or --store FILE as `hubslice patterns` writes it",
        )
    if out is not None:
        check_free(out, OURS)
    names = expand(against)
    known: list[Pattern] = []
    elsewhere: tuple[str, ...] = ()
    others: dict[str, str] = {}
    if store is not None:
        known, origin = load_patterns(store)
    ref = parse_ref(model, Path.cwd())
    usual = OF_GRAPHS if graph_at(ref) is not None else USUAL
    wanted = _wanted(params, known, usual)
    if store is not None:
        elsewhere = site(wanted.device).differences(origin)
    mine = _record(model, wanted, reporter)
    if names:
        recorded, others = each(names, lambda name: _record(name, wanted, reporter), reporter, label="Record")
        known = [pattern for records in recorded for pattern in records.patterns]
    identifier = Identifier(known) if known else None
    found = Execution(
        model=model,
        architecture=mine.architecture,
        known=len(known),
        store=None if store is None else str(store),
        elsewhere=elsewhere,
        observations=tuple(_observe(pattern, identifier) for pattern in mine.patterns),
        skipped=mine.skipped,
        others=others,
        seconds=round(time.perf_counter() - started, 2),
    )
    if out is not None:
        _write(found, mine, known, out)
    return found


def record_patterns(params: PatternsParams, reporter: Reporter) -> Recorded:
    """Record models for later comparisons."""
    started = time.perf_counter()
    out = as_path(params.out)
    check_replaceable(out, KIND)
    wanted = _wanted(params, (), USUAL)
    names = expand([as_text(name) for name in params.models])
    recorded, skipped = each(names, lambda name: _record(name, wanted, reporter), reporter, label="Record")
    patterns = [pattern for records in recorded for pattern in records.patterns]
    for records in recorded:
        skipped |= {f"{records.name} on {stack}": why for stack, why in records.skipped.items()}
    with faults_told(f"writing {out}", out.parent):
        save_patterns(out, patterns, site(wanted.device))
    return Recorded(
        file=str(out),
        patterns=tuple(f"{pattern.model} on {pattern.stack}" for pattern in patterns),
        runs=wanted.runs,
        skipped=skipped,
        bytes=out.stat().st_size,
        seconds=round(time.perf_counter() - started, 2),
    )


def _wanted(params: ExecutionParams | PatternsParams, known: Sequence[Pattern], usual: tuple[str, ...]) -> Wanted:
    """Return how models are run; None follows the store, or else the defaults: a batch of one on torch's threads."""
    import torch

    check_runs(params.runs)
    first = known[0].settings if known else None
    shape = next(iter(first.inputs.values())) if first else (1,)
    return Wanted(
        stacks=stacks_named(params.stacks or dict.fromkeys(pattern.stack for pattern in known) or usual),
        runs=params.runs,
        batch=params.batch or shape[0],
        threads=params.threads or (first.threads if first else torch.get_num_threads()),
        input_size=params.input_size,
        device=str(resolve_device(params.device)),
    )


def _record(name: str, wanted: Wanted, reporter: Reporter) -> Records:
    from hubslice.models.opening import OpenedGraph, open_model

    opened = open_model(name, input_size=wanted.input_size, reporter=reporter)
    if isinstance(opened, OpenedGraph):
        return record(name, opened.path, wanted, Path(), reporter)
    with tempfile.TemporaryDirectory(prefix="hubslice-") as folder:
        return record(name, opened.model, wanted, Path(folder), reporter)


def _observe(pattern: Pattern, identifier: Identifier | None) -> Observation:
    typical = pattern.typical
    guesses: tuple[Guess, ...] = ()
    differing: tuple[str, ...] = ()
    if identifier is not None:
        guesses = tuple(identifier.guess(pattern.traces, sight) for sight in ("names", "durations"))
        best = guesses[0].best
        theirs = next(
            centre.pattern.settings
            for centre in identifier.centres
            if (centre.pattern.model, centre.pattern.stack) == (best.model, best.stack)
        )
        differing = _differences(theirs, pattern.settings)
    return Observation(
        stack=pattern.stack,
        settings=pattern.settings,
        runs=len(pattern.traces),
        events=len(typical.names),
        milliseconds=round(typical.total / 1e6, 4),
        guesses=guesses,
        differing=differing,
    )


def _differences(known: Settings, here: Settings) -> tuple[str, ...]:
    pairs = (
        ("inputs", list(known.inputs.values()), list(here.inputs.values())),
        ("threads", known.threads, here.threads),
        ("device", known.device, here.device),
    )
    return tuple(f"{name}: {theirs}, here {own}" for name, theirs, own in pairs if theirs != own)


def _write(found: Execution, mine: Records, known: Sequence[Pattern], folder: Path) -> None:
    """Write facts, a table of the distances and a plot of the timelines as a folder, atomically."""
    from hubslice.card.plot_execution import Timeline, plot_execution

    lines: list[Timeline] = []
    for pattern, seen in zip(mine.patterns, found.observations, strict=True):
        lines.append(Timeline(f"{found.model}, {pattern.stack}", pattern.typical.names, pattern.typical.durations))
        if seen.guesses:
            best = seen.guesses[-1].best
            like = next(each for each in known if (each.model, each.stack) == (best.model, best.stack))
            lines.append(
                Timeline(f"{like.model}, {like.stack}", like.typical.names, like.typical.durations, known=True)
            )
    with whole_folder(folder) as draft:
        found.save(draft / FACTS)
        write_atomically(draft / TABLE, _table(found))
        plot_execution(lines, draft / PLOT)


def _table(found: Execution) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("stack", "seen", "rank", "model", "architecture", "its_stack", "distance", "votes", "runs"))
    for seen in found.observations:
        for guess in seen.guesses:
            for rank, match in enumerate(guess.matches, 1):
                about = (match.model, match.architecture, match.stack, match.distance, match.votes)
                rows.writerow((seen.stack, guess.sight, rank, *about, seen.runs))
    return text.getvalue()
