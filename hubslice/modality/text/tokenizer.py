"""Load a folder's tokenizer; its files may be damaged or untrusted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from hubslice.core.errors import ModelError
from hubslice.core.foreign_errors import first_line
from hubslice.core.machine import out_of_memory

SETTINGS: Final = "tokenizer_config.json"
FILES: Final = ("tokenizer.json", SETTINGS, "vocab.txt", "vocab.json")  # at least one of them exists
_BESIDE: Final = (
    *("merges.txt", "added_tokens.json", "special_tokens_map.json"),
    *("tokenizer.model", "spiece.model", "sentencepiece.bpe.model"),
)
_LARGEST: Final = 1 << 27  # maximum bytes of a tokenizer's file; the largest vocabularies take a quarter of that
PROBES: Final = ("one", "a short text", "Two sentences. They are no longer than that!")


def has_tokenizer(folder: Path) -> bool:
    """Return whether the folder has a tokenizer."""
    return any((folder / name).is_file() for name in FILES)


def check_sizes(folder: Path) -> None:
    """Check the sizes of a tokenizer's files.

    Raises:
        ModelError: a file is far larger than any such file.
    """
    for path in (folder / name for name in (*FILES, *_BESIDE)):
        if path.is_file() and (size := path.stat().st_size) > _LARGEST:
            raise ModelError(
                f"{path} has {size / (1 << 20):,.0f} MiB, and a tokenizer's file may have {_LARGEST >> 20}",
                hint="save the tokenizer again, or choose another revision",
            )


def check_encodes(name: str, encode: Callable[[str], object]) -> None:
    """Encode short texts with a tokenizer: transformers validates few of its settings before use.

    Raises:
        ModelError: the tokenizer fails.
    """
    try:
        for text in PROBES:
            encode(text)
    except Exception as error:  # it may raise anything for unusual settings
        if out_of_memory(error):
            raise
        raise ModelError(
            f"the tokenizer for {name} cannot encode a short text: {first_line(error)[:300]}",
            hint=f"mend {SETTINGS}, or choose another revision",
        ) from error


def content_of(tokenizer: Any) -> bytes:
    """Return everything that determines a tokenizer's behaviour, for hashing."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    text = backend.to_str() if backend is not None else json.dumps(tokenizer.get_vocab(), sort_keys=True)
    return str(text).encode()


def limit_of(tokenizer: Any, positions: int | None) -> int:
    """Return the maximum number of tokens that a model reads; `positions` is its number of positions, if known."""
    own = int(tokenizer.model_max_length) if tokenizer.model_max_length < _ABSURD else None
    return min(limit for limit in (own, positions, None if own or positions else _USUAL) if limit)


_USUAL: Final = 512  # tokens, if neither the tokenizer nor the model has a limit
_ABSURD: Final = 10**6  # transformers writes a huge number if a tokenizer has no limit

Tokens = Mapping[str, list[int]]  # token ids and the tokenizer's other outputs, by the name of the input
