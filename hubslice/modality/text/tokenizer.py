"""Reads a folder's tokenizer, of files that may be damaged or a stranger's."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from hubslice.core.errors import ModelError
from hubslice.core.foreign_errors import first_line
from hubslice.core.machine import out_of_memory

SETTINGS: Final = "tokenizer_config.json"
FILES: Final = ("tokenizer.json", SETTINGS, "vocab.txt", "vocab.json")  # one of them is there
_BESIDE: Final = (
    *("merges.txt", "added_tokens.json", "special_tokens_map.json"),
    *("tokenizer.model", "spiece.model", "sentencepiece.bpe.model"),
)
_LARGEST: Final = 1 << 27  # bytes of a tokenizer's file; the largest vocabularies take a quarter of that
PROBES: Final = ("one", "a short text", "Two sentences. They are no longer than that!")


def has_tokenizer(folder: Path) -> bool:
    """Whether there is one."""
    return any((folder / name).is_file() for name in FILES)


def check_sizes(folder: Path) -> None:
    """Nothing where a tokenizer's files have the size of such.

    Raises:
        ModelError: one is far larger than any.
    """
    for path in (folder / name for name in (*FILES, *_BESIDE)):
        if path.is_file() and (size := path.stat().st_size) > _LARGEST:
            raise ModelError(
                f"{path} has {size / (1 << 20):,.0f} MiB, and a tokenizer's file may have {_LARGEST >> 20}",
                hint="save the tokenizer again, or choose another revision",
            )


def check_encodes(name: str, encode: Callable[[str], object]) -> None:
    """Let a tokenizer encode short texts: transformers checks few of its settings before it is used.

    Raises:
        ModelError: it cannot.
    """
    try:
        for text in PROBES:
            encode(text)
    except Exception as error:  # whatever it raises over odd settings
        if out_of_memory(error):
            raise
        raise ModelError(
            f"the tokenizer for {name} cannot encode a short text: {first_line(error)[:300]}",
            hint=f"mend {SETTINGS}, or choose another revision",
        ) from error


def content_of(tokenizer: Any) -> bytes:
    """What a tokenizer does, to be hashed."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    text = backend.to_str() if backend is not None else json.dumps(tokenizer.get_vocab(), sort_keys=True)
    return str(text).encode()


def limit_of(tokenizer: Any, positions: int | None) -> int:
    """The most tokens of a text that a model reads, which has so many `positions`, if it says."""
    own = int(tokenizer.model_max_length) if tokenizer.model_max_length < _ABSURD else None
    return min(limit for limit in (own, positions, None if own or positions else _USUAL) if limit)


_USUAL: Final = 512  # tokens, where neither the tokenizer nor the model limits them
_ABSURD: Final = 10**6  # transformers writes a huge number where a tokenizer has no limit

Tokens = Mapping[str, list[int]]  # token ids, and what else a tokenizer gives for each, by the name of the input
