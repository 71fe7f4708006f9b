"""`hubslice execution` and `hubslice patterns`: what operators give away while a model runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubslice.core.cells import Fixed
from hubslice.core.numbers import rounded
from hubslice.terminal.many_names import ManyNames
from hubslice.terminal.options import DeviceOption, JsonOption, QuietOption, examples
from hubslice.terminal.output import out

if TYPE_CHECKING:
    from hubslice.verbs.execution.facts import Execution, Guess, Observation, Recorded

AGAINST = "--against"
SEEN = {"names": "names and durations", "durations": "durations alone"}

StackOption = Annotated[
    list[str] | None,
    typer.Option(
        "--stack",
        metavar="NAME",
        help="eager, compiled, ort-none or ort-all, the last two also with -plain or -script for other exporters; may "
        "be repeated; default: eager, ort-none and ort-all, or those of the store.",
    ),
]
RunsOption = Annotated[int, typer.Option("--runs", metavar="N", help="Recorded inferences on each stack, 3 or more.")]
BatchOption = Annotated[int | None, typer.Option("--batch", metavar="N", min=1, help="Inputs at a time; default: 1.")]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", metavar="N", min=1, help="CPU threads; default: one for each core.")
]
SizeOption = Annotated[
    int | None, typer.Option("--input-size", metavar="PIXELS", min=8, max=4096, help="Side of the input.")
]


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
    )(execution)
    app.command(
        "patterns",
        epilog=examples(
            "hubslice patterns timm/resnet18.a1_in1k timm/resnet50.a1_in1k --out patterns.safetensors",
            "hubslice patterns models/ --stack ort-all --stack ort-all-script -o exporters.safetensors",
        ),
    )(patterns)


def execution(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A Hub id, a run, a model folder, or an ONNX file as it is.")
    ],
    against: Annotated[
        list[str] | None,
        typer.Option(AGAINST, metavar="ID|FOLDER ...", help="Known models, recorded here in the same way."),
    ] = None,
    store: Annotated[
        Path | None, typer.Option("--store", metavar="FILE", help="What `hubslice patterns` wrote, in their place.")
    ] = None,
    stack: StackOption = None,
    runs: RunsOption = 10,
    batch: BatchOption = None,
    threads: ThreadsOption = None,
    input_size: SizeOption = None,
    folder: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Write facts, a table of distances and the timelines."),
    ] = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say which known model, exporter and software a model runs like.

    Recorded are the operators of repeated inferences, by the profilers of PyTorch and ONNX Runtime. Two attackers are
    told apart: one who sees names and durations, and one who sees durations alone. Distances are in deviations of
    repeated runs; the margin is how much further the next architecture is. Models of one architecture run alike.
    """
    from hubslice.verbs.execution.function import execution as find

    found = find(
        model,
        against or (),
        store=store,
        stacks=stack or (),
        runs=runs,
        batch=batch,
        threads=threads,
        input_size=input_size,
        device=device,
        out=folder,
        reporter=out.progress(),
    )
    _warn(found)
    out.result(found, lambda: _tell(found), quiet=found.resembles)


def patterns(
    models: Annotated[
        list[str], typer.Argument(metavar="ID|FOLDER ...", help="Models; a folder of models stands for all of them.")
    ],
    file: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The store, a safetensors file.")],
    stack: StackOption = None,
    runs: RunsOption = 10,
    batch: BatchOption = None,
    threads: ThreadsOption = None,
    input_size: SizeOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Record execution patterns of known models for `hubslice execution MODEL --store FILE`, on this machine."""
    from hubslice.verbs.execution.function import execution_patterns

    found = execution_patterns(
        models,
        file,
        stacks=stack or (),
        runs=runs,
        batch=batch,
        threads=threads,
        input_size=input_size,
        device=device,
        reporter=out.progress(),
    )
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
