"""`hubslice info`: show a run folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from hubslice.core.cells import Fixed, mebibytes
from hubslice.core.errors import InputError
from hubslice.terminal.options import JsonOption, QuietOption, examples
from hubslice.terminal.output import out


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "info",
        epilog=examples(
            "hubslice info runs/drawings",
            "hubslice info runs/drawings --json",
            "hubslice info --schema",
        ),
    )(info)


def info(
    run: Annotated[Path | None, typer.Argument(metavar="RUN", help="A run folder.", show_default=False)] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of report.json, which explains every field.")
    ] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show a run: its steps with cost and state, and its results if it is finished."""
    if schema:
        from hubslice.artefacts.report import Report

        out.text(json.dumps(Report.model_json_schema(mode="serialization"), indent=2))
        return
    if run is None:
        raise InputError("no run is named", hint="hubslice info RUN, for instance runs/drawings")
    from hubslice.artefacts.lock import LOCK
    from hubslice.engine.execution import cached
    from hubslice.engine.run_folder import RunFolder
    from hubslice.recipe.schema import PoisonRecipe
    from hubslice.run.poisoning import poison_steps
    from hubslice.run.run import open_run
    from hubslice.terminal.summary import tell_report

    opened = open_run(str(RunFolder.existing(run).path))
    poisoning = isinstance(opened.loaded.recipe, PoisonRecipe)
    steps = poison_steps(opened.loaded) if poisoning else opened.steps()
    done = cached(steps, opened.folder)
    rows: list[dict[str, object]] = []
    shown: list[dict[str, object]] = []
    for step in steps:
        record = opened.folder.record(step.name)
        under_way = opened.folder.partial(step.name).is_dir()
        rows.append(
            {
                "step": step.name,
                "state": "done" if done[step.name] else "under way" if under_way else "stale" if record else "to do",
                "seconds": round(record.seconds, 1) if record else None,
                "peak_mib": round(record.peak_mib) if record else None,
                "mib": round(record.size / 2**20, 2) if record else None,
            }
        )
        cost = {"seconds": Fixed(record.seconds), "mib": mebibytes(record.size)} if record else {}
        shown.append(rows[-1] | cost)
    report = opened.report if all(done.values()) and not poisoning else None
    lock = str(run / LOCK) if (run / LOCK).is_file() else None
    data = {"run": str(run), "steps": rows, "lock": lock, "report": report.model_dump(mode="json") if report else None}

    def tell() -> None:
        headings = {"step": "STEP", "state": "STATE", "seconds": "TIME (s)", "peak_mib": "PEAK MEMORY (MiB)"}
        out.table(shown, headings | {"mib": "ON DISK (MiB)"})
        out.line()
        if lock:
            out.fields({"lock": f"{lock}; copied beside the recipe as recipe.lock, it pins `hubslice slice --locked`"})
        if report:
            tell_report(report)
        elif not all(done.values()):
            out.hint(f"go on with `hubslice {'poison' if poisoning else 'slice'} {run / 'recipe.yaml'} --out {run}`")

    out.result(data, tell, quiet="done" if all(done.values()) else "unfinished")
