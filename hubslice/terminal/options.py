"""Arguments and options that several commands share, and the examples in their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubslice.terminal.output import out


def _json(value: bool) -> bool:
    if value:
        out.mode = "json"
    return value


def _quiet(value: bool) -> bool:
    if value and out.mode != "json":
        out.mode = "quiet"
    return value


JsonOption = Annotated[
    bool, typer.Option("--json", callback=_json, help="Print the result as JSON, errors as JSON on stderr.")
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", callback=_quiet, help="Print only what a script needs, and errors.")
]
RecipeArgument = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of a built-in recipe.")
]
OverridesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE", help="Values put over the recipe's, such as train.lr=0.01.", show_default=False
    ),
]
RunnableArgument = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE",
        help="A recipe file, a built-in recipe, a run folder, or owner/name[@revision] of a published student.",
    ),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="DIR", help="Folder of the run; default: runs/NAME.")
]
DeviceOption = Annotated[
    str, typer.Option("--device", metavar="auto|cpu|cuda:N", help="Where models run; auto: CUDA where there is one.")
]

AllowPickleOption = Annotated[
    bool,
    typer.Option(
        "--allow-pickle",
        help="Where a model has no safetensors: read the tensors, and nothing else, of its pickled weights.",
    ),
]


def examples(*lines: str) -> str:
    """The examples at the end of a command's help, one command line each."""
    shown = "\n".join(f"  [green]$[/green] {line.replace('[', chr(92) + '[')}" for line in lines)
    return f"[bold]Examples[/bold]\n{shown}"
