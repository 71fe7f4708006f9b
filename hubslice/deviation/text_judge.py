"""Two text classifiers as the search sees them: texts go in, log-probabilities come out."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hubslice.deviation.answers import Answers
from hubslice.deviation.judge import Outputs, called, log_probabilities
from hubslice.deviation.labels import SharedLabels
from hubslice.deviation.neighbourhood import InputKind
from hubslice.deviation.texts import decode, text_inputs

Tokens = Mapping[str, Sequence[int]]  # token ids, and what else a tokenizer gives for each, by the name of the input


@dataclass(frozen=True)
class TextJudge:
    """A model with its tokenizer, which cuts texts to `longest` tokens.

    `run` gives its output float [1, classes] for a text's tokens, `count` how many tokens there would be uncut.
    """

    name: str
    labels: tuple[str, ...]
    tokens: Callable[[str], Tokens]
    count: Callable[[str], int]
    longest: int
    run: Callable[[Tokens], np.ndarray]
    outputs: Outputs

    def logs(self, text: str) -> np.ndarray:
        """Logarithms of the probabilities, float64 [1, classes], softmax applied to logits.

        Raises:
            ModelError: the model fails, or gives values that are not finite.
            MemoryShortError: memory did not suffice.
        """
        found = answer(self.name, self.run, self.tokens(text))
        return log_probabilities(self.name, found, (1, len(self.labels)), self.outputs, "text")


def answer(name: str, run: Callable[[Tokens], np.ndarray], tokens: Tokens) -> np.ndarray:
    """The model's output for a text, float64.

    Raises:
        ModelError: it fails.
        MemoryShortError: memory did not suffice.
    """
    length = max(map(len, tokens.values()), default=0)
    hint = "is its tokenizer the one that it was trained with? Else make the model again"
    return called(name, run, tokens, f"a text of {length} tokens", hint)


@dataclass(frozen=True)
class TextPair:
    """Two models, and what they are compared by.

    Texts are asked about one at a time, without padding: a dynamically quantised model has one scale for all that it is
    given at a time, and what is found for a seed must not depend on the others.
    """

    a: TextJudge
    b: TextJudge
    shared: SharedLabels

    @cached_property
    def input_kind(self) -> InputKind:
        """Texts that are the same where both models read the same tokens."""
        return text_inputs(self.reading)

    def reading(self, text: str) -> Hashable:
        """What both models see of a text."""
        return tuple(
            tuple((name, tuple(values)) for name, values in judge.tokens(text).items()) for judge in (self.a, self.b)
        )

    def ask(self, texts: Sequence[np.ndarray]) -> list[Answers]:
        """Both models' answers to texts, each as code points uint32 [characters]."""
        return [self.alone(text) for text in texts]

    def alone(self, text: np.ndarray) -> Answers:
        """Their answers to one."""
        words = decode(text)
        a = self.shared.fold(self.a.logs(words), self.shared.a)
        b = self.shared.fold(self.b.logs(words), self.shared.b)
        return Answers(a[0], b[0])

    def is_cut(self, text: str) -> bool:
        """Whether a model does not read all of it."""
        return any(judge.count(text) > judge.longest for judge in (self.a, self.b))
