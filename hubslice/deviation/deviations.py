"""Search from many seeds at once and summarise the results, for `diff` and for a recipe's step."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
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
from hubslice.recipe.deviation import SearchParams

if TYPE_CHECKING:
    from hubslice.deviation.answers import Answers
    from hubslice.deviation.evidence import Outcomes, Seeds
    from hubslice.deviation.finished import Finished
    from hubslice.deviation.outcome import Outcome
    from hubslice.deviation.predictor import Pair, Predictor

    AnyPair = Pair[Predictor]


def search_seeds(
    pair: AnyPair, seeds: Seeds, search: SearchParams, lanes: int, finished: Finished, reporter: Reporter
) -> tuple[Outcomes, HubsliceError | None]:
    """Search all seeds; returns outcomes and seconds by seed number, and the error that ended the search, if any."""
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
        searches = (start(seeds.inputs[at], search, pair.kind) for at in left)
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


def _confirmed(pair: AnyPair, outcome: Outcome, search: SearchParams) -> Outcome:
    """Return the outcome with its trigger evaluated alone; rounding may change the decision compared with a batch."""
    from hubslice.deviation.search import is_trigger

    if outcome.trigger is None:
        return outcome
    answers = pair.alone(outcome.trigger)
    if is_trigger(answers, search):
        return replace(outcome, answers=answers)
    return replace(outcome, state="unconfirmed", trigger=None, answers=None)


def facts_of(
    pair: AnyPair,
    models: tuple[ComparedModel, ComparedModel],
    seeds: Seeds,
    search: SearchParams,
    outcomes: Outcomes,
    device: str,
) -> Deviations:
    """Summarise all seeds that were searched; the caller adds time, folder and files."""
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
        operators=_operators(pair.kind.titles, [outcome for outcome, _ in outcomes.values()]),
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


def _result(pair: AnyPair, name: str, outcome: Outcome, seconds: float) -> SeedResult:
    return SeedResult(
        name=name,
        state=outcome.state,
        queries=outcome.queries,
        shrinking=outcome.shrinking,
        seconds=round(seconds, 3),
        operator=outcome.last,
        before=_answers(pair, outcome.seed_answers),
        after=None if outcome.answers is None else _answers(pair, outcome.answers),
        change=None if outcome.trigger is None else pair.kind.change(outcome.seed, outcome.trigger),
    )


def _answers(pair: AnyPair, answers: Answers) -> AnswerPair:
    a, b = (
        Answer(label=pair.shared.labels[label], probability=round(float(np.exp(logs[label])), 6))
        for label, logs in zip(answers.labels, (answers.a, answers.b), strict=True)
    )
    return AnswerPair(a=a, b=b)
