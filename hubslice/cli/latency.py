"""`hubslice latency`: what models cost to run, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hubslice.cli.options import DeviceOption, JsonOption, QuietOption, examples
from hubslice.cli.output import out

if TYPE_CHECKING:
    from hubslice.artefacts.latency import LatencyReport, ModelCost


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "latency",
        epilog=examples(
            "hubslice latency timm/resnet18.a1_in1k runs/beans",
            "hubslice latency runs/beans student.onnx --batch 1 --threads 1",
            "hubslice latency runs/small runs/large --input-size 64 --json",
            "hubslice latency owner/name owner/smaller --device cuda:0 --rounds 100",
        ),
    )(latency)


def latency(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL...", help="Hub ids, run folders, model folders or ONNX files; the first is 1."),
    ],
    batch: Annotated[
        list[int] | None,
        typer.Option("--batch", "-b", metavar="N", min=1, help="Batch size; may be repeated; default: 1 and 16."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", metavar="N", min=1, help="CPU threads; default: one for each core.")
    ] = None,
    rounds: Annotated[
        int,
        typer.Option("--rounds", metavar="N", min=5, help="Turns of every model; quick ones get more."),
    ] = 30,
    input_size: Annotated[
        int | None,
        typer.Option("--input-size", metavar="PIXELS", min=8, max=4096, help="Side of the input, for all models."),
    ] = None,
    memory: Annotated[
        bool, typer.Option("--memory/--no-memory", help="Measure memory, in processes of their own.")
    ] = True,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Time, memory and size of models with ONNX Runtime, as ratios to the first.

    The graph measured is the one to deploy: constants folded, BatchNorm in the weights; an ONNX file is measured as it
    is. All models are called in turns, so that a busy machine hits all alike; ratios compare the quickest calls of
    stretches of that. Milliseconds are medians, with the 10th and 90th percentile in brackets. Memory is the peak of
    loading and running the largest batch. Counted are multiply-accumulates of convolutions and matrix products for one
    picture.
    """
    from hubslice.api.models import latency as measure

    found = measure(
        models,
        batches=tuple(batch or (1, 16)),
        threads=threads,
        rounds=rounds,
        input_size=input_size,
        device=device,
        memory=memory,
        reporter=out.progress(),
    )
    quick = min(found.models, key=lambda cost: cost.timings[0].median_ms)
    out.result(found, lambda: _tell(found), quiet=quick.model)


def _tell(found: LatencyReport) -> None:
    batches = [timing.batch for timing in found.models[0].timings]
    headings = {"model": "MODEL"}
    headings |= {f"ms{batch}": f"MS, BATCH {batch}" for batch in batches}
    headings |= {"macs": "MACS", "parameters": "WEIGHTS", "file": "FILE", "memory": f"MEMORY, BATCH {max(batches)}"}
    out.table([_row(cost, first=cost is found.models[0]) for cost in found.models], headings)
    out.line()
    size = " x ".join(map(str, found.input_size))
    out.line(f"pictures of {size} on {found.device}, {found.threads} threads, {found.runtime} ({found.provider})")


def _row(cost: ModelCost, *, first: bool) -> dict[str, object]:
    def ratio(value: float | None) -> str:
        return "" if first or value is None else f", x {value:.2f}"

    row: dict[str, object] = {"model": cost.model}
    for timing in cost.timings:
        own = f"{timing.median_ms:.3g} [{timing.p10_ms:.3g}, {timing.p90_ms:.3g}]"
        row[f"ms{timing.batch}"] = own + ratio(timing.ratio)
    about = cost.ratios
    row["macs"] = "not known" if cost.macs is None else f"{cost.macs / 1e6:,.4g} M" + ratio(about.get("macs"))
    row["parameters"] = f"{cost.parameters / 1e6:,.3g} M" + ratio(about.get("parameters"))
    row["file"] = f"{cost.file_bytes / 2**20:,.3g} MiB" + ratio(about.get("file_bytes"))
    row["memory"] = "" if cost.added_mib is None else f"{cost.added_mib:,.3g} MiB" + ratio(about.get("added_mib"))
    return row
