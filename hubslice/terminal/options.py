"""Options that all commands share, and the examples in their help."""

from __future__ import annotations

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


def examples(*lines: str) -> str:
    """Return the examples for the end of a command's help, one command line each."""
    shown = "\n".join(f"  [green]$[/green] {line.replace('[', chr(92) + '[')}" for line in lines)
    return f"[bold]Examples[/bold]\n{shown}"
