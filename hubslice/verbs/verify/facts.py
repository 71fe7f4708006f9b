"""Findings of a verification: for each claim, whether it matches its sources."""

from __future__ import annotations

from typing import Literal

from pydantic import computed_field

from hubslice.core.artefact import Artefact

State = Literal["agrees", "differs", "not checked"]


class Finding(Artefact):
    """One claim: the part it belongs to, its name, and the result; `detail` says what was compared, or why not."""

    part: str
    name: str
    state: State
    detail: str

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}"


class Verification(Artefact):
    """All findings on a target; `commit` is that of a student on the Hub."""

    target: str
    commit: str | None
    findings: tuple[Finding, ...]

    @computed_field
    @property
    def verified(self) -> bool:
        """Whether nothing differs; claims that were not checked do not count."""
        return not self.of("differs")

    def of(self, state: State) -> tuple[Finding, ...]:
        """Return the findings with this state."""
        return tuple(finding for finding in self.findings if finding.state == state)


def compared(part: str, name: str, differences: list[str], agreeing: str) -> Finding:
    """Return a finding that differs if there are differences, else one that agrees, with the text `agreeing`."""
    shown = differences[:5] + ([f"and {len(differences) - 5} more"] if len(differences) > 5 else [])
    state: State = "differs" if differences else "agrees"
    return Finding(part=part, name=name, state=state, detail="; ".join(shown) or agreeing)


def unchecked(part: str, name: str, why: str) -> Finding:
    """Return a finding for a claim that could not be checked."""
    return Finding(part=part, name=name, state="not checked", detail=why)
