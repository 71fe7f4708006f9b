"""The search from many seeds at once, what is told of it, and its evidence: for `diff` and for a recipe's step."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hubslice.artefacts.deviation import (
    Answer,
    AnswerPair,
    ComparedModel,
    Deviations,
    OperatorUse,
    SeedResult,
)
from hubslice.core.errors import HubsliceError
from hubslice.core.progress import Reporter
from hubslice.core.rate import Rate
from hubslice.files.sealed import write_sealed
from hubslice.recipe.deviation import SearchParams

if TYPE_CHECKING:
    from hubslice.deviation.answers import Answers
    from hubslice.deviation.finished import Finished
    from hubslice.deviation.judge import Pair
    from hubslice.deviation.search import Outcome
    from hubslice.deviation.text_judge import TextPair

    Outcomes = dict[int, tuple[Outcome, float]]  # with seconds, by number of the seed

KIND = "triggers"


@dataclass(frozen=True)
class Seeds:
    """The inputs to start from, images uint8 [n, C, H, W] or texts as code points, and where they are from."""

    source: str
    names: tuple[str, ...]
    inputs: Sequence[np.ndarray] | np.ndarray


@dataclass(frozen=True)
class Places:
    """Where the evidence goes."""

    facts: Path
    triggers: Path
    gallery: Path

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files."""
        return self.facts.name, self.triggers.name, self.gallery.name

    def under(self, folder: Path) -> Places:
        """The same names in a folder."""
        return Places(folder / self.facts, folder / self.triggers, folder / self.gallery)


def search_seeds(
    pair: Pair | TextPair, seeds: Seeds, search: SearchParams, lanes: int, finished: Finished, reporter: Reporter
) -> tuple[Outcomes, HubsliceError | None]:
    """Outcomes and seconds by number of the seed; with them the error that ended the search early, if one did."""
    from hubslice.deviation.lockstep import lockstep
    from hubslice.deviation.registry import start

    outcomes = {at: kept for at, seed in enumerate(seeds.inputs) if (kept := finished.get(seed)) is not None}
    left = [at for at in range(len(seeds.names)) if at not in outcomes]
    with reporter.track("Search", len(seeds.names), "seeds") as bar:
        asked = found = 0

        def progress(queries: int) -> None:
            nonlocal asked
            asked += queries
            bar.advance(0, note=f"{found} triggers, {asked:,} queries")

        bar.advance(len(outcomes))
        searches = (start(seeds.inputs[at], search, pair.input_kind) for at in left)
        try:
            for number, ended, seconds in lockstep(searches, pair.ask, lanes, progress):
                outcome = _confirmed(pair, ended, search)
                finished.put(outcome, seconds)
                outcomes[left[number]] = (outcome, seconds)
                found += outcome.state == "found"
                bar.advance()
        except HubsliceError as error:
            return outcomes, error
    return outcomes, None


def _confirmed(pair: Pair | TextPair, outcome: Outcome, search: SearchParams) -> Outcome:
    """The outcome with the answers to its trigger alone; rounding may decide otherwise than in a batch."""
    from hubslice.deviation.search import is_trigger

    if outcome.trigger is None:
        return outcome
    answers = pair.alone(outcome.trigger)
    if is_trigger(answers, search):
        return replace(outcome, answers=answers)
    return replace(outcome, state="unconfirmed", trigger=None, answers=None)


def facts_of(
    pair: Pair | TextPair,
    models: tuple[ComparedModel, ComparedModel],
    seeds: Seeds,
    search: SearchParams,
    outcomes: Outcomes,
    device: str,
) -> Deviations:
    """What came of all seeds that were searched; time, folder and files are for the caller to add."""
    results = tuple(_result(pair, seeds.names[at], *outcomes[at]) for at in sorted(outcomes))
    agreed = [result for result in results if result.state != "disagreed"]
    triggers = [result.queries for result in agreed if result.state == "found"]
    return Deviations(
        a=models[0],
        b=models[1],
        inputs=seeds.source,
        labels=pair.shared.how,
        search=search,
        seeds=len(seeds.names),
        found=Rate(hits=len(triggers), total=len(agreed)),
        disagreed=Rate(hits=len(results) - len(agreed), total=len(results)),
        unconfirmed=sum(result.state == "unconfirmed" for result in results),
        queries=sum(result.queries + result.shrinking for result in results),
        median_queries=float(statistics.median(triggers)) if triggers else None,
        seconds=0.0,
        device=device,
        stopped=None,
        operators=_operators(pair.input_kind.titles, [outcome for outcome, _ in outcomes.values()]),
        results=results,
        folder="",
        files=(),
    )


def _operators(titles: Mapping[str, str], outcomes: Sequence[Outcome]) -> tuple[OperatorUse, ...]:
    return tuple(
        OperatorUse(
            name=name,
            title=title,
            sent=sum(found.tallies[name].sent for found in outcomes if found.tallies),
            accepted=sum(found.tallies[name].accepted for found in outcomes if found.tallies),
            triggers=sum(found.state == "found" and found.last == name for found in outcomes),
        )
        for name, title in titles.items()
    )


def _result(pair: Pair | TextPair, name: str, outcome: Outcome, seconds: float) -> SeedResult:
    return SeedResult(
        name=name,
        state=outcome.state,
        queries=outcome.queries,
        shrinking=outcome.shrinking,
        seconds=round(seconds, 3),
        operator=outcome.last,
        before=_answers(pair, outcome.seed_answers),
        after=None if outcome.answers is None else _answers(pair, outcome.answers),
        change=None if outcome.trigger is None else pair.input_kind.change(outcome.seed, outcome.trigger),
    )


def _answers(pair: Pair | TextPair, answers: Answers) -> AnswerPair:
    a, b = (
        Answer(label=pair.shared.labels[label], probability=round(float(np.exp(logs[label])), 6))
        for label, logs in zip(answers.labels, (answers.a, answers.b), strict=True)
    )
    return AnswerPair(a=a, b=b)


def write_evidence(places: Places, facts: Deviations, pair: Pair, seeds: Seeds, outcomes: Outcomes) -> None:
    """Write facts, triggers and their image; of texts see `text_evidence`."""
    from hubslice.deviation.gallery import write_gallery

    found = [(at, outcome) for at, (outcome, _) in sorted(outcomes.items()) if outcome.state == "found"]
    results = {result.name: result for result in facts.results}
    images = [(outcome.seed, outcome.trigger) for _, outcome in found if outcome.trigger is not None]
    facts.save(places.facts)
    names = [seeds.names[at] for at, _ in found]
    about = {"names": names, "a": facts.a.fingerprint, "b": facts.b.fingerprint, "labels": list(pair.shared.labels)}
    write_sealed(places.triggers, KIND, about, dict(_tensors([outcome for _, outcome in found])))
    write_gallery(
        places.gallery,
        (facts.a.model, facts.b.model),
        [results[name] for name in names],
        images,
        f"{facts.found.hits} of {facts.found.total} inputs, changed, get different answers",
    )


def _tensors(found: Sequence[Outcome]) -> Iterator[tuple[str, np.ndarray]]:
    """Seeds and triggers uint8 [n, C, H, W], probabilities float64 [n, labels] of both models for the triggers."""
    if not found:
        return
    yield "seeds", np.stack([outcome.seed for outcome in found])
    yield "triggers", np.stack([outcome.trigger for outcome in found if outcome.trigger is not None])
    told = [outcome.answers for outcome in found if outcome.answers is not None]
    yield "a", np.exp(np.stack([answers.a for answers in told]))
    yield "b", np.exp(np.stack([answers.b for answers in told]))
