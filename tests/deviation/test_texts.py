"""Distances, operators and searches of texts against slow, obvious references and on two toy models."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubslice.deviation.answers import Answers
from hubslice.deviation.lockstep import lockstep
from hubslice.deviation.outcome import Outcome
from hubslice.deviation.registry import start
from hubslice.deviation.text.edits import applied, hunks, words_changed
from hubslice.deviation.text.encoding import decode, encode
from hubslice.deviation.text.inputs import text_inputs
from hubslice.deviation.text.operators import KEYS, LOOKS, TEXT_OPERATORS, edited
from hubslice.recipe.deviation import SearchParams
from tests.deviation.sentences import sentences

TEXT = "The cat's 9 lives: nobody counted them; Pat did, \u00e9t\u00e9 included."
few = st.text("abc \n", max_size=25)
word = st.text("abc", max_size=25)


def slow_distance(one: str, other: str) -> int:
    """The textbook's table, row by row."""
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        above, row = row, [i]
        for j, right in enumerate(other, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (left != right)))
    return row[-1]


@given(word, word)
def test_differences_within_a_word_are_the_fewest(one: str, other: str) -> None:
    found = hunks(one, other)
    assert sum(max(hunk.stop - hunk.start, len(hunk.new)) for hunk in found) == slow_distance(one, other)


def test_differences_within_a_long_word_are_the_fewest() -> None:
    rng = random.Random(1)
    one = "".join(rng.choices("abcdef\U0001f600\ud800", k=300))
    other = "".join(character for character in one if rng.random() < 0.9) + "xyz"
    found = hunks(one, other)
    assert applied(one, found) == other
    assert sum(max(hunk.stop - hunk.start, len(hunk.new)) for hunk in found) == slow_distance(one, other)


@given(few, few)
def test_differences_lead_from_one_text_to_the_other(one: str, other: str) -> None:
    for found in (hunks(one, other), words_changed(one, other)):
        assert applied(one, found) == other
        assert all(hunk.stop <= following.start for hunk, following in pairwise(found))
        assert all(one[hunk.start : hunk.stop] != hunk.new for hunk in found)
    assert applied(one, []) == one


def test_differences_are_small_and_told_in_words() -> None:
    one, other = "profit rose by ten mln dlrs", "porfit rose by mln dlrs again"
    assert sum(len(hunk.new) + hunk.stop - hunk.start for hunk in hunks(one, other)) <= len("ooten again ") + 6
    told = [(one[hunk.start : hunk.stop].strip(), hunk.new.strip()) for hunk in words_changed(one, other)]
    assert told == [("profit", "porfit"), ("ten", ""), ("dlrs", "dlrs again")]


def one_place(before: str, after: str) -> tuple[str, str]:
    """What was there and what is there now, where the two begin and end alike."""
    start = next((at for at, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]), len(before))
    stop = 0
    while stop < min(len(before), len(after)) - start and before[-1 - stop] == after[-1 - stop]:
        stop += 1
    return before[start : len(before) - stop], after[start : len(after) - stop]


WORDS = TEXT.split()
DOES: dict[str, Callable[[str, str, str], bool]] = {
    "swap_letters": lambda old, new, text: len(old) == 2 and old.isalpha() and new == old[::-1],
    "drop_letter": lambda old, new, text: len(old) == 1 and new == "",
    "double_letter": lambda old, new, text: old == "" and len(new) == 1 and 2 * new in text,
    "wrong_key": lambda old, new, text: (
        len(old) == 1 and new.lower() in KEYS[old.lower()] and new.islower() == old.islower()
    ),
    "letter_case": lambda old, new, text: len(old) == 1 and new == old.swapcase(),
    "look_alike": lambda old, new, text: len(old) == 1 and new.lower() in LOOKS[old.lower()],
    "swap_words": lambda old, new, text: sorted(text.split()) == sorted(WORDS),
    "drop_word": lambda old, new, text: len(text.split()) == len(WORDS) - 1 and "  " not in text,
    "double_word": lambda old, new, text: any(f"{word} {word}" in text for word in WORDS),
    "join_words": lambda old, new, text: (old, new) == (" ", ""),
    "split_word": lambda old, new, text: (old, new) == ("", " ") and "  " not in text,
}


@pytest.mark.parametrize("name", [operator.name for operator in TEXT_OPERATORS])
def test_operators_do_what_they_are_called(name: str) -> None:
    rng = np.random.default_rng(4)
    found = {edited(name, rng, TEXT) for _ in range(60)} - {TEXT}
    assert len(found) >= 5
    for text in found:
        assert DOES[name](*one_place(TEXT, text), text), text
    for without in ("", " ", "?!"):
        assert edited(name, rng, without) in (without, "?! ?!")
    assert edited(name, np.random.default_rng(9), TEXT) == edited(name, np.random.default_rng(9), TEXT)


def test_every_operator_is_tested_and_keys_are_neighbours() -> None:
    assert set(DOES) == {operator.name for operator in TEXT_OPERATORS}
    assert KEYS["a"] == "s"
    assert sorted(KEYS["g"]) == ["f", "h"]
    assert all(letter not in likes for letter, likes in LOOKS.items())


@given(st.text("a\0\n \u00e9\u4e2d\U0001f600", max_size=20))
def test_texts_survive_as_arrays(text: str) -> None:
    assert decode(encode(text)) == text
    assert encode(text).dtype == np.uint32


def reading(text: str) -> str:
    """As models see it that know no case."""
    return text.lower()


def answers(text: str) -> Answers:
    """Linear in how often each letter is there, and in neighbours, which swaps change."""
    read = reading(text)
    counts = np.array([read.count(letter) for letter in "aeiou stn"], float)
    pairs = sum(ord(left) * ord(right) % 7 for left, right in pairwise(read)) / 20
    logits = np.array([counts[:3].sum(), counts[3:6].sum(), pairs])
    return Answers(_logs(logits), _logs(logits * np.array([1.0, 1.12, 1.0])))


def _logs(values: np.ndarray) -> np.ndarray:
    found: np.ndarray = values - values.max() - np.log(np.exp(values - values.max()).sum())
    return found


def run(texts: list[str], params: SearchParams, lanes: int = 8) -> tuple[list[Outcome], list[str]]:
    """Outcomes by text, and all that was asked about."""
    sent: list[str] = []

    def ask(inputs: list[np.ndarray]) -> list[Answers]:
        sent.extend(map(decode, inputs))
        return [answers(decode(each)) for each in inputs]

    searches = (start(encode(text), params, text_inputs(reading)) for text in texts)
    found = {number: outcome for number, outcome, _ in lockstep(searches, ask, lanes)}
    return [found[at] for at in range(len(texts))], sent


@pytest.mark.parametrize("method", ["triggerfinder", "random", "genetic"])
@pytest.mark.parametrize("most", [None, 4])
def test_triggers_are_triggers_within_bounds_and_budget(method: str, most: int | None) -> None:
    texts = sentences(10, seed=6)
    params = SearchParams.model_validate({"method": method, "budget": 150, "max_edits": most})
    outcomes, sent = run(texts, params)
    found = 0
    for text, outcome in zip(texts, outcomes, strict=True):
        assert decode(outcome.seed) == text
        assert (outcome.state == "disagreed") == answers(text).differ
        assert outcome.queries == sum(tally.sent for tally in outcome.tallies.values()) <= 150
        if outcome.state == "found":
            found += 1
            assert outcome.trigger is not None
            assert answers(decode(outcome.trigger)).differ
    assert found >= 2
    assert all(text.strip() for text in sent)
    assert sorted(text for text in sent if text in texts) == sorted(texts)  # no seed is asked about again
    if most is not None:
        assert all(min(slow_distance(text, each) for text in texts) <= most for each in sent)


def test_what_models_read_alike_is_not_sent() -> None:
    """A mutant differs from the text that it was made of in what the models see, not in case alone."""
    search = start(encode("aaa"), SearchParams(budget=300, method="random"), text_inputs(lambda text: text.lower()))
    present = decode(next(search))
    for _ in range(200):
        mutant = decode(search.send(Answers(np.log([0.6, 0.4]), np.log([0.6, 0.4]))))
        assert reading(mutant) != reading(present)
        present = mutant
    blind = start(encode("a text"), SearchParams(budget=50), text_inputs(len))  # sees lengths alone
    next(blind)
    assert len(decode(blind.send(Answers(np.log([0.6, 0.4]), np.log([0.6, 0.4]))))) != len("a text")


def test_results_do_not_depend_on_the_batch_or_on_other_seeds() -> None:
    texts = sentences(8, seed=2)
    params = SearchParams(budget=100, minimise=True, max_edits=5)
    together, _ = run(texts, params, lanes=5)
    alone, _ = run(texts[::-1], params, lanes=1)
    for one, two in zip(together, alone[::-1], strict=True):
        assert (one.state, one.queries, one.shrinking, one.last) == (two.state, two.queries, two.shrinking, two.last)
        assert (one.trigger is None) == (two.trigger is None)
        assert one.trigger is None or np.array_equal(one.trigger, two.trigger)
    other, _ = run(texts, params.model_copy(update={"seed": 1}))
    assert [one.queries for one in other] != [one.queries for one in together]


def test_minimised_triggers_are_nearer_and_still_deviate() -> None:
    texts = sentences(10, seed=6)
    plain, small = (run(texts, SearchParams(budget=150, minimise=flag))[0] for flag in (False, True))
    nearer = 0
    for text, one, two in zip(texts, plain, small, strict=True):
        assert (one.state, one.queries) == (two.state, two.queries)
        if one.trigger is not None and two.trigger is not None:
            assert answers(decode(two.trigger)).differ
            assert np.array_equal(two.answers.joint, answers(decode(two.trigger)).joint)
            before, after = (slow_distance(text, decode(each.trigger)) for each in (one, two))
            assert 0 < after <= before
            nearer += after < before
            assert two.shrinking <= 150
    assert nearer >= 2
