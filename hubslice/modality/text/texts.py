"""Text inputs of a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from hubslice.core.errors import InputError
from hubslice.modality.modality import Encoded, Modality
from hubslice.modality.text.tokenizer import Tokens
from hubslice.recipe.schema import TrainParams

IDS: Final = "input_ids"
FILLING: Final[Mapping[str, int]] = {IDS: 0, "attention_mask": 1, "token_type_ids": 0}  # used if a tokenizer gives none
_TAKEN: Final = "texts are of type str: one, or a list of them"
_EXAMPLE: Final = 32  # tokens of an example input


@dataclass(frozen=True)
class Texts(Modality[str]):
    """Texts truncated to `longest` tokens by a model's tokenizer; `names` are the network's inputs."""

    one: ClassVar[str] = "text"
    many: ClassVar[str] = "texts"
    at_once: ClassVar[int] = 1  # as transformers' pipeline: without padding, for which decoders may have no token

    tokenizer: Any
    names: tuple[str, ...]
    longest: int

    def tokens(self, text: str) -> Tokens:
        """Return a text's tokens by the network's input names, without padding."""
        told = self.tokenizer(text, truncation=True, max_length=self.longest)
        size = len(told[IDS])
        return {name: list(told[name]) if name in told else [FILLING[name]] * size for name in self.names}

    def count(self, text: str) -> int:
        """Return the number of tokens before truncation."""
        return len(self.tokenizer(text, truncation=False, verbose=False)[IDS])

    def read(self, given: object) -> Iterator[str]:
        listed = [given] if isinstance(given, str) else given
        if not isinstance(listed, Iterable):
            raise InputError(f"a {type(given).__name__} is no text", hint=_TAKEN)
        for at, text in enumerate(listed):
            if not isinstance(text, str):
                raise InputError(f"text {at} is of type {type(text).__name__}", hint=_TAKEN)
            yield text

    def encode(self, items: Sequence[str]) -> Encoded:
        """Encode the texts, padded to the longest of them.

        Raises:
            InputError: the tokenizer gives no tokens for a text.
        """
        if not items:
            return {name: torch.empty(0, 0, dtype=torch.int64) for name in self.names}
        return self.join([self._encoded(text) for text in items])

    def _encoded(self, text: str) -> Encoded:
        tokens = self.tokens(text)
        if not tokens[IDS]:
            raise InputError(f"the text {text!r} has no tokens", hint="leave it out")
        return {name: torch.tensor([values]) for name, values in tokens.items()}

    def augment(self, item: str, params: TrainParams, rng: np.random.Generator) -> Encoded:
        """Return the text unchanged: the augmentations of training are for images."""
        return self.encode([item])

    def inputs(self, encoded: Encoded) -> dict[str, Tensor]:
        return dict(encoded)

    def example(self, samples: int, seed: int) -> dict[str, Tensor]:
        """Return random token ids."""
        return example_tokens(self.names, self.tokenizer.vocab_size, self.longest, samples, seed)

    def join(self, parts: Sequence[Encoded]) -> Encoded:
        """Concatenate batches; shorter texts are padded on the tokenizer's side and with its padding token."""
        longest = max(part[IDS].shape[1] for part in parts)
        left = self.tokenizer.padding_side == "left"
        fill = {IDS: self.tokenizer.pad_token_id or 0}  # masked positions have no effect

        def padded(name: str, tensor: Tensor) -> Tensor:
            missing = longest - tensor.shape[1]
            return pad(tensor, (missing, 0) if left else (0, missing), value=fill.get(name, 0))

        return {name: torch.cat([padded(name, part[name]) for part in parts]) for name in self.names}


def example_tokens(
    names: Sequence[str], vocabulary: int, longest: int | None, samples: int, seed: int
) -> dict[str, Tensor]:
    """Return seeded inputs of a network that reads texts: random ids below `vocabulary`, at most `longest` of them."""
    shape = (samples, min(_EXAMPLE, longest or _EXAMPLE))
    drawn = torch.randint(vocabulary, shape, generator=torch.Generator().manual_seed(seed))
    return {name: drawn if name == IDS else torch.full(shape, FILLING[name]) for name in names}
