"""`hubslice verify`: check all claims of a student."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from hubslice.core.errors import VerificationError
from hubslice.core.numbers import amount
from hubslice.terminal.options import examples
from hubslice.terminal.output import out
from hubslice.terminal.parameters import command
from hubslice.verbs.verify.params import VerifyParams

if TYPE_CHECKING:
    from hubslice.verbs.verify.facts import Verification


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "verify",
        epilog=examples(
            "hubslice verify runs/drawings",
            "hubslice verify owner/name",
            "hubslice verify owner/name@v1 --data ./my-images --json",
            "hubslice verify owner/name --key publisher.pem",
            "hubslice verify owner/name --full --device cuda:0",
        ),
    )(command(verify))


def verify(params: VerifyParams) -> None:
    """Check every claim of a student against its sources.

    The command compares files with the lock's checksums, and finds others that a loader would read or run; compares the
    teacher with the Hub's; recounts every rate, reduction, gate and retention from evidence, masks and weights; renders
    the card again; and evaluates the saved student on a sample of the images. It exits with code 1 if something does
    not match. What is not available is reported as not checked, but a source that the Hub reports missing counts as a
    mismatch.

    If the files are signed (model.sig), --key or --identity says who must have signed them; without either, the
    signature is reported as not checked.

    A prediction of the student may differ from the stored one only by a near tie: the stored class is at most 0.5 % of
    the logits' spread below the highest. Other machines and devices round that much.
    """
    from hubslice.verbs.verify.service import verify as check

    found = check(params, out.progress())
    out.result(found, lambda: _tell(found), quiet="verified" if found.verified else "differs")
    if not found.verified:
        differing = found.of("differs")
        lines = [f"{finding.part}, {finding}" for finding in differing]
        one = len(differing) == 1
        raise VerificationError(
            f"{amount(len(differing), 'claim')} of {params.target} "
            + ("does not agree with what it was made of:" if one else "do not agree with what they were made of:"),
            lines,
            hint="do not rely on it; whoever has the run can publish it again with hubslice push",
        )


def _tell(found: Verification) -> None:
    rows = [finding.model_dump() for finding in found.findings]
    out.table(rows, {"part": "PART", "name": "CLAIM", "state": "STATE", "detail": "DETAIL"})
    counts = [(len(found.of(state)), state) for state in ("agrees", "differs", "not checked")]
    out.line()
    summary = ", ".join(f"{number} {'agree' if state == 'agrees' else state}" for number, state in counts if number)
    out.line(f"{_verdict(found)}: {summary}")


def _verdict(found: Verification) -> str:
    if not found.verified:
        return "not verified"
    return "verified" if any(finding.part == "card" for finding in found.of("agrees")) else "nothing contradicts it"
