"""`hubslice verify`: an audit of everything that a student claims."""

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
    """Check every claim of a student against what it was made of.

    Files against the lock's checksums, and none besides that a loader would read or run; the teacher against the Hub's;
    every rate, reduction, gate and retention counted again from evidence, masks and weights; the card rendered again;
    and the saved student shown a sample of the images. Ends with exit code 1 where something does not agree; what is
    not at hand is told as not checked, what the Hub answers not to have does not agree.

    Where the files are signed (model.sig), --key or --identity says by whom they must be; without either, the signature
    is told as not checked.

    An answer of the student may differ from the stored one only by a near tie: the stored class is at most 0.5 % of the
    logits' spread below the highest. Other machines and devices round that much.
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
