"""The search for one seed, as a generator: it yields inputs and is sent both models' answers to them.

A search is thus independent of models, batches and other seeds; see `lockstep` for many at once. Its `Neighbourhood`
defines what an input is and how it may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hubslice.deviation.answers import Answers
from hubslice.deviation.choice import CHOICES, Choice, Ranked, Tally, Uniform
from hubslice.deviation.fitness import Anything, Changing, Fitness, Rising
from hubslice.deviation.neighbourhood import InputKind, Neighbourhood
from hubslice.deviation.outcome import Outcome, Search
from hubslice.recipe.deviation import SearchParams

TRIES = 100  # consecutive mutants that were the input itself, or out of bounds, before a seed is given up


@dataclass(frozen=True)
class Manner:
    """How a walk from a seed chooses operators and evaluates mutants."""

    choice: Choice
    fitness: Fitness
    released: bool = False  # use the arithmetic of the authors' code, and evaluate mutants that change nothing


def walk(seed: np.ndarray, rng: np.random.Generator, params: SearchParams, input_kind: InputKind) -> Search:
    """Mutate the seed, continuing from accepted mutants, until one is a trigger."""
    first = yield seed
    if first.differ:
        return Outcome("disagreed", seed, first)
    manner = _manner(params, rng, first, input_kind.operators)
    neighbourhood = input_kind.around(seed, params)
    present, queries = seed, 0
    while queries < params.budget:
        drawn = _next(present, manner, neighbourhood, rng)
        if drawn is None:
            break
        name, mutant = drawn
        answers = yield mutant
        queries += 1
        found = is_trigger(answers, params)
        accepted = found or manner.fitness.accepts(answers)
        manner.choice.learn(name, accepted)
        if found:
            tallies = manner.choice.tallies
            return (yield from settled(seed, first, mutant, answers, queries, name, tallies, params, neighbourhood))
        present = mutant if accepted else present
    return Outcome("none", seed, first, queries=queries, tallies=manner.choice.tallies)


def is_trigger(answers: Answers, params: SearchParams) -> bool:
    """Return whether the models deviate clearly enough."""
    return answers.differ and answers.gap >= params.min_gap


def settled(
    seed: np.ndarray,
    first: Answers,
    trigger: np.ndarray,
    answers: Answers,
    queries: int,
    last: str,
    tallies: Mapping[str, Tally],
    params: SearchParams,
    neighbourhood: Neighbourhood,
) -> Search:
    """Return the outcome of a search that found a trigger, reduced if requested."""
    asked = 0
    if params.minimise:
        shrinking = neighbourhood.shrink(trigger, answers, lambda found: is_trigger(found, params))
        trigger, answers, asked = yield from shrinking
    return Outcome("found", seed, first, trigger, answers, queries, asked, last, tallies)


def _manner(params: SearchParams, rng: np.random.Generator, first: Answers, names: tuple[str, ...]) -> Manner:
    if params.method == "released":
        return Manner(Ranked(rng, names, linked=False), Changing(first), released=True)
    if params.method == "random":
        return Manner(Uniform(rng, names), Anything())
    return Manner(CHOICES[params.operators](rng, names), Rising(first, params.fitness, params.novelty, params.patience))


def _next(
    present: np.ndarray, manner: Manner, neighbourhood: Neighbourhood, rng: np.random.Generator
) -> tuple[str, np.ndarray] | None:
    """Return an operator and its mutant, within bounds and different from the current input."""
    for _ in range(TRIES):
        name = manner.choice.draw()
        mutant = neighbourhood.mutant(name, rng, present, released=manner.released)
        if mutant is not None and (manner.released or not np.array_equal(mutant, present)):
            return name, mutant
    return None
