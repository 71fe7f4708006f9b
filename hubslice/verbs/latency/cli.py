"""`hubslice latency`: compare the cost of running models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from hubslice.core.cells import Fixed, cell
from hubslice.core.numbers import rounded
from hubslice.terminal.options import examples
from hubslice.terminal.output import out
from hubslice.terminal.parameters import command
from hubslice.verbs.latency.params import LatencyParams

if TYPE_CHECKING:
    from hubslice.verbs.latency.facts import LatencyReport, ModelCost


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
    )(command(latency))


def latency(params: LatencyParams) -> None:
    """Measure time, memory and size of models with ONNX Runtime, as ratios to the first.

    The command measures the graph to deploy: constants and BatchNorm folded; an ONNX file is measured as it is. All
    models are called in turns, so that load on the machine affects all alike; ratios compare the fastest calls in
    stretches of the measurement. Milliseconds are medians, with the 10th and 90th percentile in brackets. Memory is the
    peak of loading and running the largest batch. Multiply-accumulates are those of convolutions and matrix products
    for one image.
    """
    from hubslice.verbs.latency.service import measure_latency

    found = measure_latency(params, out.progress())
    quick = min(found.models, key=lambda cost: cost.timings[0].median_ms)
    out.result(found, lambda: _tell(found), quiet=quick.model)


def _tell(found: LatencyReport) -> None:
    batches = [timing.batch for timing in found.models[0].timings]
    amounts = {"macs": "MACS (millions)", "parameters": "WEIGHTS (millions)", "file_bytes": "FILE (MiB)"}
    amounts |= {"added_mib": f"MEMORY AT BATCH {max(batches)} (MiB)"}
    heads = {f"ms{batch}": f"TIME AT BATCH {batch} (ms)" for batch in batches} | amounts
    rows = [_row(cost, first=cost is found.models[0]) for cost in found.models]
    if out.terminal:
        _beside_each_other(rows, heads)
    else:
        _below_each_other(rows, heads)
    out.line()
    size = " x ".join(map(str, found.input_size))
    out.line(f"images of {size} on {found.device}, {found.threads} threads, {found.runtime} ({found.provider})")


def _beside_each_other(rows: list[dict[str, object]], heads: dict[str, str]) -> None:
    """Print a column for each model, for people."""
    shown: list[dict[str, object]] = []
    for key, head in heads.items():
        shown.append({"what": head})
        for place, row in enumerate(rows):
            told, ratio = cell(row.get(key)), row.get(f"{key} ratio")
            spread = f" [{cell(row[f'{key} p10'])}, {cell(row[f'{key} p90'])}]" if f"{key} p10" in row else ""
            shown[-1][str(place)] = told + spread + (f", x {cell(ratio)}" if ratio is not None else "")
    out.table(shown, {"what": "MEASURED"} | {str(place): str(row["model"]) for place, row in enumerate(rows)})


def _below_each_other(rows: list[dict[str, object]], heads: dict[str, str]) -> None:
    """Print a row for each model and a column for each number."""
    columns = {"model": "MODEL"}
    for key, head in heads.items():
        name, _, unit = head.partition(" (")
        columns[key] = head
        if key.startswith("ms"):
            columns |= {f"{key} p10": f"{name} P10 ({unit}", f"{key} p90": f"{name} P90 ({unit}"}
        columns[f"{key} ratio"] = f"{name} TO FIRST"
    out.table(rows, columns)


def _row(cost: ModelCost, *, first: bool) -> dict[str, object]:
    row: dict[str, object] = {"model": cost.model}
    for timing in cost.timings:
        key = f"ms{timing.batch}"
        row |= {key: rounded(timing.median_ms), f"{key} p10": rounded(timing.p10_ms)}
        row |= {f"{key} p90": rounded(timing.p90_ms), f"{key} ratio": None if first else Fixed(timing.ratio, 2)}
    row["macs"] = "not known" if cost.macs is None else rounded(cost.macs / 1e6)
    row["parameters"] = rounded(cost.parameters / 1e6)
    row["file_bytes"] = rounded(cost.file_bytes / 2**20)
    row["added_mib"] = None if cost.added_mib is None else rounded(cost.added_mib)
    ratios = {} if first else cost.ratios
    return row | {f"{key} ratio": Fixed(ratio, 2) for key, ratio in ratios.items()}
