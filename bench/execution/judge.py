"""From traces to counts: who tells which networks apart, knowing what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from hubslice.core.artefact import Artefact
from hubslice.core.rate import Rate
from hubslice.verbs.execution.facts import Sight, Site
from hubslice.verbs.execution.identify import FAMILIAR, Identifier
from hubslice.verbs.execution.stacks import STACKS
from hubslice.verbs.execution.store import load_patterns
from hubslice.verbs.execution.trace import Pattern, Trace, combined

from ..machine import Machine
from .networks import NETWORKS
from .run import CONDITIONS, KNOWN, path_of, refusals

SIGHTS: tuple[Sight, ...] = ("names", "durations")
COUNT = "count"  # the attacker who merely counts events


class Cell(Artefact):
    """An attacker before one stack and condition: what single runs tell, and all runs together of the architecture.

    `known` says what is recorded for comparison: "all", every stack; "others", the stacks that optimise
    otherwise than the one that is seen.
    """

    sight: str
    known: str
    stack: str
    condition: str
    networks: int
    architecture: Rate
    software: Rate
    both: Rate
    together: Rate


class Strangers(Artefact):
    """Runs together: how many networks are called unfamiliar that are not known, and that are."""

    sight: Sight
    unknown: Rate
    known: Rate


class Results(Artefact):
    """Everything that the table tells. `confused`: seen network and stack, what it was taken for, and how often."""

    machine: Machine
    site: Site
    runs: int
    networks: tuple[str, ...]
    stacks: tuple[str, ...]
    cells: tuple[Cell, ...]
    software: dict[Sight, dict[str, dict[str, int]]]
    confused: dict[Sight, tuple[tuple[str, str, int], ...]]
    strangers: tuple[Strangers, ...]
    refused: dict[str, str]


@dataclass(frozen=True)
class _Seen:
    network: str
    stack: str
    condition: str
    traces: tuple[Trace, ...]


Distances = Callable[[Trace], np.ndarray]


def judge(runs: Path, stacks: Sequence[str], machine: Machine) -> Results:
    """Identify every run of every condition.

    Only networks that were recorded under `known` on every one of these stacks count, so that all attackers choose
    among the same.
    """
    networks = [name for name in NETWORKS if all(path_of(runs, name, stack, KNOWN).is_file() for stack in stacks)]
    known, sites = [], set()
    for stack in stacks:
        for name in networks:
            (pattern,), where = load_patterns(path_of(runs, name, stack, KNOWN))
            known.append(pattern)
            sites.add(where.model_dump_json())
    if len(sites) > 1:
        raise SystemExit(f"patterns come from {len(sites)} machines or versions; record them again on one")
    seen = list(_seen(runs, networks, stacks))
    identifier = Identifier(known)
    labels = [(pattern.architecture, pattern.stack) for pattern in known]
    cells: list[Cell] = []
    software: dict[Sight, dict[str, dict[str, int]]] = {}
    confused: dict[Sight, tuple[tuple[str, str, int], ...]] = {}
    for sight in (*SIGHTS, COUNT):
        distances = _measure(identifier, known, sight)
        cells += _cells(sight, seen, distances, labels)
        if sight != COUNT:
            quiet = [each for each in seen if each.condition in {"quiet", "busy"}]
            software[sight], confused[sight] = _confusion(quiet, distances, labels)
    return Results(
        machine=machine,
        site=Site.model_validate_json(sites.pop()),
        runs=max(len(each.traces) for each in seen),
        networks=tuple(networks),
        stacks=tuple(stacks),
        cells=tuple(cells),
        software=software,
        confused=confused,
        strangers=tuple(_strangers(sight, seen, identifier, labels) for sight in SIGHTS),
        refused=refusals(runs),
    )


def _seen(runs: Path, networks: Iterable[str], stacks: Sequence[str]) -> Iterable[_Seen]:
    for name in networks:
        for stack in stacks:
            for condition in CONDITIONS:
                path = path_of(runs, name, stack, condition)
                if path.is_file():
                    (pattern,), _ = load_patterns(path)
                    yield _Seen(name, stack, condition, pattern.traces)


def _measure(identifier: Identifier, known: Sequence[Pattern], sight: str) -> Distances:
    """Distances of a trace from all known patterns; of those with the same count the merely counting takes any."""
    if sight != COUNT:
        kept = cache(lambda trace: identifier.distances(trace.of, "names" if sight == "names" else "durations"))
        return lambda trace: kept(_Key(trace))
    counts = np.array([len(pattern.typical.names) for pattern in known])
    rng = np.random.default_rng(0)
    return lambda trace: np.abs(counts - len(trace.names)) + 0.5 * rng.random(len(counts))


class _Key:
    """A trace by identity: they are many and do not change."""

    def __init__(self, of: Trace) -> None:
        self.of = of

    def __hash__(self) -> int:
        return id(self.of)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.of is other.of


def _cells(
    sight: str, seen: Sequence[_Seen], distances: Distances, labels: Sequence[tuple[str, str]]
) -> Iterable[Cell]:
    for condition in CONDITIONS:
        for stack in dict.fromkeys(each.stack for each in seen):
            own = [each for each in seen if (each.stack, each.condition) == (stack, condition)]
            if not own:
                continue
            for known in ("all", "others") if condition == "quiet" else ("all",):
                allowed = np.array([known == "all" or STACKS[at].level != STACKS[stack].level for _, at in labels])
                if not allowed.any():
                    continue

                def told(trace: Trace, allowed: np.ndarray = allowed) -> tuple[str, str]:
                    return labels[int(np.where(allowed, distances(trace), np.inf).argmin())]

                answers = [(told(trace), each) for each in own for trace in each.traces]
                together = [(told(combined(each.traces)), each) for each in own]
                yield Cell(
                    sight=sight,
                    known=known,
                    stack=stack,
                    condition=condition,
                    networks=len(own),
                    architecture=_rate(said[0] == each.network for said, each in answers),
                    software=_rate(said[1] == each.stack for said, each in answers),
                    both=_rate(said == (each.network, each.stack) for said, each in answers),
                    together=_rate(said[0] == each.network for said, each in together),
                )


def _confusion(
    seen: Sequence[_Seen], distances: Distances, labels: Sequence[tuple[str, str]]
) -> tuple[dict[str, dict[str, int]], tuple[tuple[str, str, int], ...]]:
    software: dict[str, Counter[str]] = {}
    confused: Counter[tuple[str, str]] = Counter()
    for each in seen:
        for trace in each.traces:
            name, stack = labels[int(distances(trace).argmin())]
            software.setdefault(each.stack, Counter())[stack] += 1
            if name != each.network:
                confused[f"{each.network} on {each.stack}", f"{name} on {stack}"] += 1
    worst = tuple((one, other, count) for (one, other), count in confused.most_common(10))
    return {stack: dict(counts) for stack, counts in software.items()}, worst


def _strangers(
    sight: Sight, seen: Sequence[_Seen], identifier: Identifier, labels: Sequence[tuple[str, str]]
) -> Strangers:
    """Each network once as it is, and once as if it had never been recorded."""
    quiet = [each for each in seen if each.condition == "quiet"]
    names = np.array([name for name, _ in labels])
    own = [(identifier.distances(combined(each.traces), sight), names == each.network) for each in quiet]
    return Strangers(
        sight=sight,
        unknown=_rate(distances[~mine].min() > FAMILIAR for distances, mine in own),
        known=_rate(distances.min() > FAMILIAR for distances, mine in own),
    )


def _rate(hits: Iterable[bool]) -> Rate:
    found = list(hits)
    return Rate(hits=int(sum(found)), total=len(found))
