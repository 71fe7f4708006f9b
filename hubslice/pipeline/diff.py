"""On which inputs do two models disagree? A search from given seeds, resumable, and its results in a folder."""

from __future__ import annotations

import hashlib
import json
import shutil
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError

from hubslice.artefacts.base import DRAFT
from hubslice.artefacts.deviation import (
    Answer,
    AnswerPair,
    Change,
    ComparedModel,
    Deviations,
    OperatorUse,
    SeedResult,
)
from hubslice.artefacts.rate import Rate
from hubslice.artefacts.sealed import write_sealed
from hubslice.errors import DiffError, HubsliceError
from hubslice.hub.ref import parse_ref
from hubslice.machine import faults_told
from hubslice.pipeline.explain import short_name
from hubslice.pipeline.publish import check_free, swap
from hubslice.pipeline.working import alone_in
from hubslice.progress import Reporter
from hubslice.recipe.deviation import SearchParams

if TYPE_CHECKING:
    from hubslice.deviation.answers import Answers
    from hubslice.deviation.finished import Finished
    from hubslice.deviation.judge import Pair
    from hubslice.deviation.search import Outcome

FACTS, TRIGGERS, GALLERY = "deviations.json", "triggers.safetensors", "gallery.png"
OURS = {FACTS, TRIGGERS, GALLERY}
KIND = "triggers"
UNFINISHED = ".unfinished"  # ends the name of the folder beside the result that keeps outcomes until all are there


@dataclass(frozen=True)
class _Seeds:
    """The pictures to start from, uint8 [n, C, H, W], and where they are from."""

    source: str
    names: tuple[str, ...]
    pictures: np.ndarray


def diff(
    a: str,
    b: str,
    inputs: str,
    *,
    search: SearchParams,
    limit: int,
    batch: int,
    mapped: Mapping[str, str] | str | None,
    resize: bool,
    input_size: int | None,
    device: str,
    out: Path | None,
    reporter: Reporter,
) -> Deviations:
    """Search for inputs on which models deviate; see `hubslice.api.diff`."""
    from hubslice.deviation.finished import Finished
    from hubslice.device import resolve_device
    from hubslice.pipeline.judges import open_pair, read_map

    started = time.perf_counter()
    folder = out or Path("-".join([*(short_name(parse_ref(text, Path.cwd())) for text in (a, b)), "diff"]))
    check_free(folder, OURS)
    where = str(resolve_device(device))
    labels = read_map(mapped)
    pair, models = open_pair(a, b, mapped=labels, resize=resize, input_size=input_size, device=where, reporter=reporter)
    seeds = _seeds(inputs, pair, limit, search.seed, reporter)
    key = json.dumps([search.model_dump(mode="json"), [model.fingerprint for model in models], labels, resize, where])
    kept = folder.with_name(f".{folder.name}{UNFINISHED}")
    with faults_told(f"writing {folder}", folder):
        kept.mkdir(parents=True, exist_ok=True)
        with alone_in(kept):
            finished = Finished.begin(kept, hashlib.sha256(key.encode()).hexdigest())
            outcomes, trouble = _search(pair, seeds, search, batch, finished, reporter)
            if outcomes:
                facts = _facts(pair, models, seeds, search, outcomes, where).model_copy(
                    update={
                        "stopped": None if trouble is None else trouble.message,
                        "seconds": round(time.perf_counter() - started, 2),
                        "folder": str(folder),
                    }
                )
                _write(folder, facts, pair, seeds, outcomes)
        if trouble is None or not outcomes:
            shutil.rmtree(kept, ignore_errors=True)
    if trouble is not None and not outcomes:
        raise trouble
    if trouble is not None:
        raise DiffError(
            f"{trouble.message}\n{len(outcomes)} of {len(seeds.names)} seeds were done, with {facts.found.hits} "
            f"triggers; they are kept in {folder}",
            hint=f"{trouble.hint or 'mend the model'}; the same command goes on with the seeds that are left",
        ) from trouble
    return facts


def search_params(**options: object) -> SearchParams:
    """The options of a search, checked.

    Raises:
        DiffError: one makes no sense.
    """
    if options.get("budget") == 0:
        raise DiffError("with a budget of 0 the models are asked nothing", hint="give --budget 2000 or so for a seed")
    try:
        return SearchParams.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])).replace("_", "-")
        told = f"--{name} {first['input']}: {first['msg']}" if name else first["msg"].removeprefix("Value error, ")
        raise DiffError(f"the search cannot be done like that: {told}", hint="see `hubslice diff --help`") from error


def _seeds(inputs: str, pair: Pair, limit: int, seed: int, reporter: Reporter) -> _Seeds:
    """At most `limit` pictures, drawn; all are read before a model is asked, so that a damaged one costs no search."""
    from hubslice.data.given import open_data

    given = open_data(inputs, pair.a.preprocessing)
    rows = np.sort(np.random.default_rng(seed).permutation(len(given))[:limit])
    pictures = []
    with reporter.track("Read seeds", len(rows), "pictures") as bar:
        for row in rows:
            pixels = given.pixels(int(row), int(row) + 1)[0].numpy()
            pictures.append(np.clip(np.rint(255 * pixels), 0, 255).astype(np.uint8))
            bar.advance()
    return _Seeds(given.source, tuple(given.names[row] for row in rows), np.stack(pictures))


def _search(
    pair: Pair, seeds: _Seeds, search: SearchParams, lanes: int, finished: Finished, reporter: Reporter
) -> tuple[dict[int, tuple[Outcome, float]], HubsliceError | None]:
    """Outcomes and seconds by number of the seed; with them the error that ended the search early, if one did."""
    from hubslice.deviation.lockstep import lockstep
    from hubslice.deviation.registry import start

    outcomes = {at: kept for at, seed in enumerate(seeds.pictures) if (kept := finished.get(seed)) is not None}
    left = [at for at in range(len(seeds.names)) if at not in outcomes]
    with reporter.track("Search", len(seeds.names), "seeds") as bar:
        asked = found = 0

        def progress(queries: int) -> None:
            nonlocal asked
            asked += queries
            bar.advance(0, note=f"{found} triggers, {asked:,} queries")

        bar.advance(len(outcomes))
        searches = (start(seeds.pictures[at], search) for at in left)
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


def _confirmed(pair: Pair, outcome: Outcome, search: SearchParams) -> Outcome:
    """The outcome with the answers to its trigger alone; rounding may decide otherwise than in a batch."""
    from hubslice.deviation.search import is_trigger

    if outcome.trigger is None:
        return outcome
    (answers,) = replace(pair, chunk=1).ask(outcome.trigger[None])
    if is_trigger(answers, search):
        return replace(outcome, answers=answers)
    return replace(outcome, state="unconfirmed", trigger=None, answers=None)


def _facts(
    pair: Pair,
    models: tuple[ComparedModel, ComparedModel],
    seeds: _Seeds,
    search: SearchParams,
    outcomes: Mapping[int, tuple[Outcome, float]],
    device: str,
) -> Deviations:
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
        operators=_operators([outcome for outcome, _ in outcomes.values()]),
        results=results,
        folder="",
        files=tuple(sorted(OURS)),
    )


def _operators(outcomes: Sequence[Outcome]) -> tuple[OperatorUse, ...]:
    from hubslice.deviation.operators import OPERATORS

    return tuple(
        OperatorUse(
            name=operator.name,
            title=operator.title,
            sent=sum(found.tallies[operator.name].sent for found in outcomes if found.tallies),
            accepted=sum(found.tallies[operator.name].accepted for found in outcomes if found.tallies),
            triggers=sum(found.state == "found" and found.last == operator.name for found in outcomes),
        )
        for operator in OPERATORS
    )


def _result(pair: Pair, name: str, outcome: Outcome, seconds: float) -> SeedResult:
    return SeedResult(
        name=name,
        state=outcome.state,
        queries=outcome.queries,
        shrinking=outcome.shrinking,
        seconds=round(seconds, 3),
        operator=outcome.last,
        before=_answers(pair, outcome.seed_answers),
        after=None if outcome.answers is None else _answers(pair, outcome.answers),
        change=None if outcome.trigger is None else _change(outcome.seed, outcome.trigger),
    )


def _answers(pair: Pair, answers: Answers) -> AnswerPair:
    a, b = (
        Answer(label=pair.shared.labels[label], probability=round(float(np.exp(logs[label])), 6))
        for label, logs in zip(answers.labels, (answers.a, answers.b), strict=True)
    )
    return AnswerPair(a=a, b=b)


def _change(seed: np.ndarray, trigger: np.ndarray) -> Change:
    from hubslice.deviation.likeness import Likeness

    change = trigger.astype(np.int64) - seed
    return Change(
        linf=int(np.abs(change).max()),
        l2=round(float(np.sqrt((change**2).sum())), 3),
        values=round(float((change != 0).mean()), 6),
        ssim=round(Likeness(seed).ssim(trigger), 6),
    )


def _write(
    folder: Path, facts: Deviations, pair: Pair, seeds: _Seeds, outcomes: Mapping[int, tuple[Outcome, float]]
) -> None:
    """All files, whole or not at all."""
    from hubslice.deviation.gallery import write_gallery

    found = [(at, outcome) for at, (outcome, _) in sorted(outcomes.items()) if outcome.state == "found"]
    results = {result.name: result for result in facts.results}
    pictures = [(outcome.seed, outcome.trigger) for _, outcome in found if outcome.trigger is not None]
    draft = folder.with_name(f".{folder.name}{DRAFT}")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir(parents=True)
        facts.save(draft / FACTS)
        names = [seeds.names[at] for at, _ in found]
        about = {"names": names, "a": facts.a.fingerprint, "b": facts.b.fingerprint, "labels": list(pair.shared.labels)}
        write_sealed(draft / TRIGGERS, KIND, about, dict(_tensors([outcome for _, outcome in found])))
        write_gallery(
            draft / GALLERY,
            (facts.a.model, facts.b.model),
            [results[name] for name in names],
            pictures,
            f"{facts.found.hits} of {facts.found.total} inputs, changed, get different answers",
        )
        swap(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _tensors(found: Sequence[Outcome]) -> Iterator[tuple[str, np.ndarray]]:
    """Seeds and triggers uint8 [n, C, H, W], probabilities float64 [n, labels] of both models for the triggers."""
    if not found:
        return
    yield "seeds", np.stack([outcome.seed for outcome in found])
    yield "triggers", np.stack([outcome.trigger for outcome in found if outcome.trigger is not None])
    told = [outcome.answers for outcome in found if outcome.answers is not None]
    yield "a", np.exp(np.stack([answers.a for answers in told]))
    yield "b", np.exp(np.stack([answers.b for answers in told]))
