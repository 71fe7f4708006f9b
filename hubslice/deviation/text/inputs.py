"""Texts, as their code points uint32 [characters], as search inputs."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial

import numpy as np
from rapidfuzz.distance import Levenshtein

from hubslice.artefacts.deviation import Edits
from hubslice.deviation.answers import Answers
from hubslice.deviation.neighbourhood import InputKind, Neighbourhood, Shrinking
from hubslice.deviation.text.edits import applied, hunks, words_changed
from hubslice.deviation.text.encoding import decode, encode
from hubslice.deviation.text.evidence import write_evidence
from hubslice.deviation.text.operators import TEXT_OPERATORS, edited
from hubslice.deviation.text.shrinking import shrink_text
from hubslice.recipe.deviation import SearchParams

Reading = Callable[[str], Hashable]  # maps a text to the models' view of it: its tokens


class AroundText(Neighbourhood):
    """A text and its neighbours with at most `max_edits` characters changed."""

    def __init__(self, seed: np.ndarray, params: SearchParams, reading: Reading) -> None:
        self.seed = decode(seed)
        self.most = params.max_edits
        self.reading = reading

    def mutant(
        self, name: str, rng: np.random.Generator, present: np.ndarray, *, released: bool = False
    ) -> np.ndarray | None:
        """Return None also if the models' tokens are unchanged, so that nothing would change, or if no text is left."""
        text = decode(present)
        before = self.reading(text)
        changed = edited(name, rng, text)
        if changed == text or self.reading(changed) == before:
            return None
        found = self._within(rng, changed)
        if not found.strip() or found == self.seed or self.reading(found) == before:
            return None
        return encode(found)

    def mixed(self, rng: np.random.Generator, one: np.ndarray, other: Callable[[], np.ndarray]) -> np.ndarray:
        """Take each difference from either text."""
        first = decode(one)
        return encode(applied(first, [hunk for hunk in hunks(first, decode(other())) if rng.random() < 0.5]))

    def shrink(self, trigger: np.ndarray, answers: Answers, deviates: Callable[[Answers], bool]) -> Shrinking:
        asking = shrink_text(self.seed, decode(trigger), answers, deviates, self.reading)
        try:
            text = next(asking)
            while True:
                told = yield encode(text)
                text = asking.send(told)
        except StopIteration as stopped:
            found, answers, asked = stopped.value
            return encode(found), answers, asked

    def _within(self, rng: np.random.Generator, text: str) -> str:
        """The text with as many of its differences to the seed taken back, drawn, as the bound demands."""
        if self.most is None or Levenshtein.distance(self.seed, text) <= self.most:
            return text
        parts = hunks(self.seed, text)
        while Levenshtein.distance(self.seed, text) > self.most:
            del parts[int(rng.integers(len(parts)))]
            text = applied(self.seed, parts)
        return text


def edits(seed: np.ndarray, trigger: np.ndarray) -> Edits:
    """Measure how far a trigger is from its seed, and where."""
    one, other = decode(seed), decode(trigger)
    characters = Levenshtein.distance(one, other)
    words = tuple((one[hunk.start : hunk.stop].strip(), hunk.new.strip()) for hunk in words_changed(one, other))
    return Edits(characters=characters, share=round(characters / max(len(one), 1), 6), words=words)


def text_inputs(reading: Reading) -> InputKind:
    """Return the input kind of texts for models with this tokenization."""
    titles = {operator.name: operator.title for operator in TEXT_OPERATORS}
    return InputKind("text", "texts", titles, partial(AroundText, reading=reading), edits, write_evidence)
