"""A genetic search for comparison: a population driven to where a model's two largest probabilities are equal.

The idea is DiffChaser's (Xie et al., IJCAI 2019): near a decision boundary, models that differ slightly predict
differently. Mutations are the same operators, so that only the search is compared.
"""

from __future__ import annotations

import numpy as np

from hubslice.deviation.answers import Answers
from hubslice.deviation.choice import Tally, Uniform
from hubslice.deviation.neighbourhood import InputKind, Neighbourhood
from hubslice.deviation.outcome import Outcome, Search
from hubslice.deviation.search import TRIES, is_trigger, settled
from hubslice.recipe.deviation import SearchParams

POPULATION = 20
KEPT = 4  # number of fittest that survive
RIVALS = 3  # number of candidates of which the fittest becomes a parent
CROSSED = 0.5  # share of children with two parents

Member = tuple[float, np.ndarray]


def evolve(seed: np.ndarray, rng: np.random.Generator, params: SearchParams, input_kind: InputKind) -> Search:
    """Breed mutants of the seed until one is a trigger."""
    first = yield seed
    if first.differ:
        return Outcome("disagreed", seed, first)
    neighbourhood = input_kind.around(seed, params)
    choice = Uniform(rng, input_kind.operators)
    parents: list[Member] = [(uncertainty(first), seed)]
    queries = 0
    while queries < params.budget:
        children: list[Member] = []
        for _ in range(POPULATION - (KEPT if len(parents) > 1 else 0)):
            drawn = _child(parents, choice, neighbourhood, rng)
            if drawn is None or queries == params.budget:
                return _nothing(seed, first, queries, choice.tallies)
            name, child = drawn
            answers = yield child
            queries += 1
            found = is_trigger(answers, params)
            choice.learn(name, found)
            if found:
                tallies = choice.tallies
                return (yield from settled(seed, first, child, answers, queries, name, tallies, params, neighbourhood))
            children.append((uncertainty(answers), child))
        elite = sorted(parents, key=lambda member: -member[0])[:KEPT] if len(parents) > 1 else []
        parents = elite + children
    return _nothing(seed, first, queries, choice.tallies)


def uncertainty(answers: Answers) -> float:
    """Return minus the distance between the two largest probabilities, of the less certain model."""
    leads = [np.diff(np.partition(np.exp(values), -2)[-2:]).item() for values in (answers.a, answers.b)]
    return -float(min(leads))


def _nothing(seed: np.ndarray, first: Answers, queries: int, tallies: dict[str, Tally]) -> Outcome:
    return Outcome("none", seed, first, queries=queries, tallies=tallies)


def _child(
    parents: list[Member], choice: Uniform, neighbourhood: Neighbourhood, rng: np.random.Generator
) -> tuple[str, np.ndarray] | None:
    """Return an operator and its mutant of a parent, or of a mixture of two parents."""
    for _ in range(TRIES):
        base = _parent(parents, rng)
        if len(parents) > 1 and rng.random() < CROSSED:
            base = neighbourhood.mixed(rng, base, lambda: _parent(parents, rng))
        name = choice.draw()
        mutant = neighbourhood.mutant(name, rng, base)
        if mutant is not None and not np.array_equal(mutant, base):
            return name, mutant
    return None


def _parent(parents: list[Member], rng: np.random.Generator) -> np.ndarray:
    rivals = rng.integers(0, len(parents), RIVALS)
    _, sample = max((parents[int(at)] for at in rivals), key=lambda member: member[0])
    return sample
