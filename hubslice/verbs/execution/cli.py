"""`hubslice execution` and `hubslice patterns`: what operators reveal while a model runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from hubslice.core.cells import Fixed
from hubslice.core.numbers import rounded
from hubslice.terminal.many_names import ManyNames
from hubslice.terminal.options import examples
from hubslice.terminal.output import out
from hubslice.terminal.parameters import command
from hubslice.verbs.execution.params import ExecutionParams, PatternsParams

if TYPE_CHECKING:
    from hubslice.verbs.execution.facts import Execution, Guess, Observation, Recorded

AGAINST = "--against"
SEEN = {"names": "names and durations", "durations": "durations alone"}


def register(app: typer.Typer) -> None:
    """Add both commands."""
    app.command(
        "execution",
        cls=ManyNames,
        epilog=examples(
            f"hubslice execution runs/beans {AGAINST} timm/resnet18.a1_in1k timm/resnet50.a1_in1k",
            "hubslice execution student.onnx --store patterns.safetensors --out beans-execution",
            "hubslice execution runs/beans --stack eager --stack compiled --json",
        ),
    )(command(execution))
    app.command(
        "patterns",
        epilog=examples(
            "hubslice patterns timm/resnet18.a1_in1k timm/resnet50.a1_in1k --out patterns.safetensors",
            "hubslice patterns models/ --stack ort-all --stack ort-all-script -o exporters.safetensors",
        ),
    )(command(patterns))


def execution(params: ExecutionParams) -> None:
    """Identify the known model, exporter and software that a model runs like.

    The command records the operators of repeated inferences with the profilers of PyTorch and ONNX Runtime. It
    distinguishes two attackers: one who sees names and durations, and one who sees only durations. Distances are in
    deviations of repeated runs; the margin is how much further the next architecture is. Models of one architecture run
    alike.
    """
    from hubslice.verbs.execution.service import execution as find

    found = find(params, out.progress())
    _warn(found)
    out.result(found, lambda: _tell(found), quiet=found.resembles)


def patterns(params: PatternsParams) -> None:
    """Record execution patterns of known models on this machine, for `hubslice execution MODEL --store FILE`."""
    from hubslice.verbs.execution.service import record_patterns

    found = record_patterns(params, out.progress())
    for name, why in found.skipped.items():
        out.warning(f"{name} was left out: {why}")
    out.result(found, lambda: _tell_store(found), quiet=found.file)


def _warn(found: Execution) -> None:
    for stack, why in found.skipped.items():
        out.warning(f"{found.model} was not recorded on {stack}: {why}")
    for name, why in found.others.items():
        out.warning(f"{name} was left out: {why}")
    if found.elsewhere:
        out.warning(
            f"the patterns of {found.store} were recorded on another machine or software "
            f"({'; '.join(found.elsewhere)}): durations there are others, and distances say little"
        )
    for seen in found.observations:
        if seen.differing:
            out.warning(f"on {seen.stack} the nearest pattern was recorded otherwise ({'; '.join(seen.differing)})")


def _tell(found: Execution) -> None:
    heads = {"stack": "STACK", "events": "EVENTS", "ms": "TIME (ms)"}
    if found.known:
        heads |= {
            "seen": "SEEN",
            "like": "RUNS LIKE",
            "on": "ON",
            "distance": "DISTANCE (deviations)",
            "next": "NEXT (times as far)",
            "runs": "RUNS LIKE IT",
            "of": "OF",
        }
    rows = [row for seen in found.observations for row in _rows(seen)]
    out.table(rows, heads)
    out.line()
    if not found.known:
        out.line(f"nothing to compare {found.model} with: name known models with {AGAINST}, or --store FILE")
    elif found.resembles is None:
        out.line(f"{found.model} runs like none of the {found.known} known patterns ({found.seconds:.1f} s)")
    else:
        out.line(f"{found.model} runs like {found.resembles}, among {found.known} patterns ({found.seconds:.1f} s)")


def _rows(seen: Observation) -> list[dict[str, object]]:
    about: dict[str, object] = {"stack": seen.stack, "events": seen.events, "ms": rounded(seen.milliseconds)}
    return [about | _row(guess, seen.runs) for guess in seen.guesses] or [about]


def _row(guess: Guess, runs: int) -> dict[str, object]:
    best = guess.best
    own = best.architecture if best.architecture == best.model else f"{best.architecture} ({best.model})"
    return {
        "seen": SEEN[guess.sight],
        "like": own if guess.familiar else f"none; least unlike {own}",
        "on": best.stack,
        "distance": Fixed(best.distance, 2),
        "next": None if guess.margin is None else rounded(guess.margin),
        "runs": best.votes,
        "of": runs,
    }


def _tell_store(found: Recorded) -> None:
    out.line(
        f"{found.file}: {len(found.patterns)} patterns of {found.runs} runs in {found.bytes / 1024:.1f} KiB, "
        f"{found.seconds:.1f} s"
    )
