"""Check the model card against the report by rendering it again around other text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import version

from hubslice.artefacts.delta import DeltaFacts
from hubslice.card.render import SECTIONS, render_card
from hubslice.card.results import benchmark_results
from hubslice.core.artefact import read_description
from hubslice.files.names import CARD, RESULTS
from hubslice.hub.signature import Signed, read_signature
from hubslice.verbs.verify.claims import Claims
from hubslice.verbs.verify.facts import Finding, compared, unchecked

PART = "card"
_HOME = re.compile(r"^hubslice verify ([\w.-]+/[\w.-]+)$", re.MULTILINE)  # as in the card's own command


def check_card(claims: Claims) -> Iterator[Finding]:
    """Check that header and sections match the report; text outside of them is ignored."""
    if CARD not in claims.place.names:
        yield compared(PART, CARD, ["there is none"], "")
        return
    text = read_description(claims.place.folder / CARD).decode(errors="replace")
    said = (claims.report, claims.recipe.card, claims.loaded.text)
    rendered = [
        render_card(*said, home, text, delta, signed)
        for home, delta in written_for(claims, text)
        for signed in _signed(claims)
    ]
    if text in rendered:
        yield compared(PART, CARD, [], "head and sections are rendered again to the same text")
        return
    wrote, here = claims.report.environment.hubslice, version("hubslice")
    if wrote != here:
        yield unchecked(PART, CARD, f"hubslice {wrote} wrote it and this is {here}: pip install hubslice=={wrote}")
        return
    yield compared(PART, CARD, min((_changed(text, again) for again in rendered), key=len), "")


def check_results(claims: Claims) -> Iterator[Finding]:
    """Check the accuracy for a leaderboard against the report; a run has none, it is rendered for its repository."""
    path = (claims.place.source or claims.place.folder) / RESULTS
    if RESULTS not in claims.place.names:
        if claims.place.repo_id is not None and claims.recipe.card.benchmark is not None:
            yield compared(PART, RESULTS, ["there is none, and the recipe names a benchmark"], "")
        return
    text = read_description(claims.place.folder / CARD).decode(errors="replace") if CARD in claims.place.names else ""
    homes = {home for home, _ in written_for(claims, text) if home is not None}
    rendered = {benchmark_results(claims.report, claims.recipe.card, home) for home in homes}
    same = read_description(path).decode(errors="replace") in rendered
    yield compared(PART, RESULTS, [] if same else ["it is not what the report says"], "it is what the report says")


def written_for(claims: Claims, text: str) -> list[tuple[str | None, DeltaFacts | None]]:
    """Return what the card may have been rendered for: repositories on the Hub, and a delta instead of the weights."""
    homes = [claims.place.repo_id] if claims.place.repo_id else [None, *_HOME.findall(text)[:1]]
    deltas = [claims.place.delta]
    if claims.place.repo_id is None and claims.place.delta is not None:
        deltas.append(None)  # as in the run, from which a push renders it again
    return [(home, delta) for home in homes for delta in deltas]


def _signed(claims: Claims) -> list[Signed | None]:
    """Return the signatures that the card may describe; it was added with the card, or later by somebody else."""
    path = claims.place.signature
    return [None] if path is None else [read_signature(path), None]


def _changed(text: str, again: str) -> list[str]:
    """Return the parts that do not match the report, with the first differing line."""
    parts = (("head", _head), *((name, _section(name)) for name in SECTIONS))
    found = []
    for name, pattern in parts:
        is_, should = ((match[0] if (match := pattern.search(card)) else "") for card in (text, again))
        if is_ != should:
            pairs = zip([*is_.splitlines(), "nothing"], [*should.splitlines(), "nothing"], strict=False)
            line = next(((one, other) for one, other in pairs if one != other), ("", ""))
            found.append(f"{name}: {line[0].strip()[:100]!r} should be {line[1].strip()[:100]!r}")
    return found or ["its sections or their marks are not as hubslice writes them"]


_head = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


def _section(name: str) -> re.Pattern[str]:
    return re.compile(rf"<!-- hubslice:begin {name} -->.*?<!-- hubslice:end {name} -->", re.DOTALL)
