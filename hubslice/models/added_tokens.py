"""What a tokenizer's files say of added tokens: the tokenizers library would print what it does not know of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from hubslice.core.errors import ModelError
from hubslice.core.escaping import named
from hubslice.core.foreign_errors import message_of

FILES: Final = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
LARGEST: Final = 1 << 28  # bytes; vocabularies of a quarter million tokens have an eighth of that
KNOWN: Final = frozenset({"__type", "id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"})


def check_added_tokens(folder: Path) -> None:
    """Nothing where all added tokens are described by what the tokenizers library knows.

    Raises:
        ModelError: one is not, or a file is no JSON or too large.
    """
    for name in FILES:
        path = folder / name
        if not path.is_file():
            continue
        hint = f"mend {name}, or choose another revision"
        if (size := path.stat().st_size) > LARGEST:
            raise ModelError(f"{folder}: {name} has {size} bytes, more than a tokenizer needs", hint=hint)
        try:
            content = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise ModelError(f"{folder}: {name} is not JSON: {message_of(error)}", hint=hint) from error
        for token in _tokens(content):
            if unknown := sorted(token.keys() - KNOWN):
                raise ModelError(
                    f"{folder}: {name} describes a token by {named(unknown[0])!r}, which the tokenizers "
                    "library does not know",
                    hint=hint,
                )


def _tokens(content: Any) -> Iterator[dict[str, Any]]:
    """Descriptions of tokens: those that are listed, those by number, and the special ones by their part."""
    if not isinstance(content, dict):
        return
    listed, numbered = content.get("added_tokens"), content.get("added_tokens_decoder")
    found = [*(listed if isinstance(listed, list) else ()), *(numbered.values() if isinstance(numbered, dict) else ())]
    found += [value for key, value in content.items() if key.endswith("_token")]
    yield from (token for token in found if isinstance(token, dict))
