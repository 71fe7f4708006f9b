"""`hubslice doctor`: check that this machine has what a run needs."""

from __future__ import annotations

from dataclasses import asdict

import typer

from hubslice.terminal.options import JsonOption, QuietOption, examples
from hubslice.terminal.output import out
from hubslice.verbs.doctor.checks import examine


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "doctor",
        epilog=examples(
            "hubslice doctor",
            "hubslice doctor --json",
            "HF_HUB_OFFLINE=1 hubslice doctor",
            "HF_ENDPOINT=https://hub.example hubslice doctor",
        ),
    )(doctor)


def doctor(as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Check packages, devices, the Hub, your token's rights, disk space and memory.

    Exits with code 1 if something must be fixed first. Never prints the token.
    """
    findings = tuple(examine())
    if out.mode == "quiet":
        findings = tuple(finding for finding in findings if finding.state != "ok")
    out.table([asdict(finding) for finding in findings], {"name": "CHECK", "state": "STATE", "detail": "DETAIL"})
    for finding in findings:
        if finding.hint:
            out.hint(f"{finding.name}: {finding.hint}")
    if any(finding.state == "fail" for finding in findings):
        raise typer.Exit(1)
