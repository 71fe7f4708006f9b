"""Choice, fitness and searches on two toy models whose answers are exact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from hubslice.deviation.answers import Answers, Seen
from hubslice.deviation.choice import Adaptive, Ranked, Tally, Uniform
from hubslice.deviation.fitness import Changing, Rising
from hubslice.deviation.image.likeness import Likeness
from hubslice.deviation.lockstep import lockstep
from hubslice.deviation.outcome import Outcome
from hubslice.deviation.registry import METHODS, start
from hubslice.recipe.deviation import SearchParams
from tests.deviation.toys import answers, ask, seeds

NAMES = tuple("abcdefg")


def logs(*probabilities: float) -> np.ndarray:
    return np.log(np.array(probabilities))


def run(images: np.ndarray, params: SearchParams, lanes: int = 8) -> list[Outcome]:
    found = dict.fromkeys(range(len(images)))
    for number, outcome, _ in lockstep((start(image, params) for image in images), ask, lanes):
        found[number] = outcome
    assert all(found.values())
    return list(found.values())


def metropolis(choice: Ranked, start_rank: int, rng: np.random.Generator) -> str:
    """The paper's loop: propose uniformly, accept with (1 - p)^(k2 - k1), else propose again."""
    order = sorted(choice.names, key=lambda name: -choice.tallies[name].accepted / (choice.tallies[name].sent + 1e-7))
    while True:
        proposed = int(rng.integers(len(order)))
        if rng.random() < (1 - 1 / len(order)) ** (proposed - start_rank):
            return order[proposed]


@pytest.mark.parametrize("last", ["a", "d", "g", None])
def test_ranked_choice_is_the_papers_loop_and_depends_on_the_last_accepted(last: str | None) -> None:
    shares = {name: rank for rank, name in enumerate("gfedcba", 1)}  # a is the best
    linked, unlinked = (Ranked(np.random.default_rng(1), NAMES, linked=flag) for flag in (True, False))
    for choice in (linked, unlinked):
        choice.tallies = {name: Tally(10, share) for name, share in shares.items()}
        choice.last = last
    rng = np.random.default_rng(2)
    draws = 6_000
    for choice, rank in ((linked, "abcdefg".index(last or "a")), (unlinked, -1)):
        found = Counter(choice.draw() for _ in range(draws))
        if last is None:
            assert max(found.values()) / min(found.values()) < 1.25  # the first is drawn uniformly
            continue
        expected = Counter(metropolis(choice, rank, rng) for _ in range(draws))
        for name in NAMES:
            assert abs(found[name] - expected[name]) < 5 * np.sqrt(expected[name] + found[name])


def test_choices_learn() -> None:
    choice = Ranked(np.random.default_rng(0), NAMES)
    choice.learn("c", accepted=True)
    choice.learn("d", accepted=False)
    assert (choice.last, choice.tallies["c"], choice.tallies["d"]) == ("c", Tally(1, 1), Tally(1, 0))
    adaptive, uniform = (kind(np.random.default_rng(0), NAMES) for kind in (Adaptive, Uniform))
    for drawn in (adaptive, uniform):
        for _ in range(400):
            name = drawn.draw()
            drawn.learn(name, accepted=name == "e" and drawn.rng.random() < 0.6)
    assert adaptive.tallies["e"].sent > 300
    assert max(tally.sent for tally in uniform.tallies.values()) < 90


def test_what_is_read_from_answers() -> None:
    agree = Answers(logs(0.6, 0.3, 0.1), logs(0.5, 0.1, 0.4))
    assert (agree.labels, agree.differ) == ((0, 0), False)
    assert agree.difference == pytest.approx(0.1)
    assert agree.margin == pytest.approx(-np.log(0.5 / 0.4))  # the second model is nearer to another answer
    differ = Answers(logs(0.6, 0.3, 0.1), logs(0.1, 0.2, 0.7))
    assert (differ.labels, differ.differ) == ((0, 2), True)
    assert differ.gap == pytest.approx(0.5)
    assert differ.margin == pytest.approx(np.log(6))
    np.testing.assert_allclose(agree.joint, [0.6, 0.3, 0.1, 0.5, 0.1, 0.4])


def test_new_states_are_those_apart_from_all_before() -> None:
    seen = Seen(np.array([0.0, 0.0]))
    assert [seen.is_new(np.array(vector)) for vector in ([0.7, 0.0], [0.71, 0.1], [0.0, 0.0], [0.0, 0.8])] == [
        False,
        True,
        False,
        True,
    ]
    assert len(seen.vectors) == 3


def test_fitness_rises_where_the_released_one_only_changes() -> None:
    first = Answers(logs(0.6, 0.4), logs(0.5, 0.5 - 1e-9))
    more, less = Answers(logs(0.7, 0.3), logs(0.55, 0.45)), Answers(logs(0.62, 0.38), logs(0.55, 0.45))
    rising, changing = Rising(first, "difference", novelty=True, patience=0), Changing(first)
    assert [rising.accepts(each) for each in (more, less, more)] == [True, False, False]
    assert [changing.accepts(each) for each in (more, less, less)] == [True, True, False]
    far = Answers(logs(0.999, 0.001), logs(0.999, 0.001))
    assert rising.accepts(far)  # no difference at all, but unlike all before
    assert not Rising(first, "difference", novelty=False, patience=0).accepts(far)
    assert rising.best == 0


def test_patience_ends() -> None:
    first, less = Answers(logs(0.6, 0.4), logs(0.5, 0.5 - 1e-9)), Answers(logs(0.55, 0.45), logs(0.55, 0.45))
    rising = Rising(first, "difference", novelty=False, patience=3)
    assert [rising.accepts(less) for _ in range(7)] == [False, False, True, False, False, True, False]
    assert rising.best == less.difference


@pytest.mark.parametrize("method", [method.name for method in METHODS])
@pytest.mark.parametrize("options", [{}, {"max_linf": 24 / 255}, {"min_ssim": 0.8}], ids=["free", "linf", "ssim"])
def test_triggers_are_triggers_within_bounds_and_budget(method: str, options: dict[str, float]) -> None:
    images = seeds(9)
    params = SearchParams.model_validate({"method": method, "budget": 300, "seed": 1, **options})
    found = 0
    for image, outcome in zip(images, run(images, params), strict=True):
        np.testing.assert_array_equal(outcome.seed, image)
        assert (outcome.state == "disagreed") == answers(image).differ
        sent = sum(tally.sent for tally in outcome.tallies.values())
        assert outcome.queries == sent <= 300
        if outcome.state == "found":
            found += 1
            assert outcome.trigger is not None
            told = answers(outcome.trigger)
            assert told.differ
            np.testing.assert_array_equal(told.joint, outcome.answers.joint)
            assert outcome.last in outcome.tallies
            if "max_linf" in options:
                assert np.abs(outcome.trigger.astype(int) - image).max() <= 24
            if "min_ssim" in options:
                assert Likeness(image).ssim(outcome.trigger) >= 0.8
    assert found >= 2


@pytest.mark.parametrize(
    "options",
    [
        {"fitness": "difference"},
        {"fitness": "margin", "novelty": False, "operators": "adaptive"},
        {"operators": "uniform", "minimise": True, "max_linf": 0.1},
        {"method": "genetic"},
        {"method": "released"},
    ],
)
def test_results_do_not_depend_on_the_batch_or_on_other_seeds(options: dict[str, object]) -> None:
    images = seeds(7, seed=5)
    params = SearchParams.model_validate({"budget": 120, **options})
    together, alone = run(images, params, lanes=5), run(images[::-1], params, lanes=1)[::-1]
    for one, two in zip(together, alone, strict=True):
        assert (one.state, one.queries, one.shrinking, one.last) == (two.state, two.queries, two.shrinking, two.last)
        assert (one.trigger is None) == (two.trigger is None)
        if one.trigger is not None and two.trigger is not None:
            np.testing.assert_array_equal(one.trigger, two.trigger)
    other = run(images, params.model_copy(update={"seed": 1}))
    assert [one.queries for one in other] != [one.queries for one in together]


def test_no_image_is_sent_twice_in_a_row_but_by_the_released_method() -> None:
    """A white image: blurs change nothing."""
    white = np.full((3, 9, 8), 255, np.uint8)
    idle = {}
    for method in ("triggerfinder", "released"):
        search = start(white, SearchParams(method=method, budget=80))
        sent = [next(search)]
        for _ in range(60):
            sent.append(search.send(Answers(logs(0.6, 0.4), logs(0.6, 0.4))))
        idle[method] = sum(np.array_equal(image, white) for image in sent[1:])
    assert idle["triggerfinder"] == 0
    assert idle["released"] > 10


def test_a_gap_makes_deviations_clear() -> None:
    images = seeds(6)
    params = SearchParams(budget=400, min_gap=0.05)
    clear = [outcome for outcome in run(images, params) if outcome.state == "found"]
    assert clear
    assert all(outcome.answers.gap >= 0.05 for outcome in clear)
    plain = [outcome for outcome in run(images, SearchParams(budget=400)) if outcome.state == "found"]
    assert min(outcome.answers.gap for outcome in plain) < 0.05


def test_minimised_triggers_are_nearer_and_still_deviate() -> None:
    images = seeds(9)
    plain, small = (run(images, SearchParams(budget=300, minimise=flag)) for flag in (False, True))
    nearer = 0
    for one, two in zip(plain, small, strict=True):
        assert (one.state, one.queries) == (two.state, two.queries)
        if one.state == "found":
            assert answers(two.trigger).differ
            before, after = (np.abs(found.trigger.astype(int) - found.seed) for found in (one, two))
            assert (after <= before).all()
            assert 0 < two.shrinking <= 150
            nearer += after.sum() < before.sum() / 2
    assert nearer >= 2


def test_finished_seeds_leave_and_others_take_their_place() -> None:
    """Seeds that take 3, 1, 2, 1 and 2 queries, two lanes."""

    def counted(queries: int) -> Iterator[np.ndarray]:
        for _ in range(queries):
            yield np.array([queries])
        return queries

    batches = []

    def record(images: list[np.ndarray]) -> list[Answers]:
        batches.append([image.item() for image in images])
        return [Answers(logs(1.0), logs(1.0))] * len(images)

    told = [(number, outcome) for number, outcome, _ in lockstep(map(counted, (3, 1, 2, 1, 2)), record, 2)]
    assert batches == [[3, 1], [3, 2], [3, 2], [1, 2], [2]]
    assert told == [(1, 1), (0, 3), (2, 2), (3, 1), (4, 2)]
