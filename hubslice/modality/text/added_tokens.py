"""Check the added tokens in a tokenizer's files, since the tokenizers library prints fields that it does not know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from hubslice.core.errors import ModelError
from hubslice.core.escaping import named
from hubslice.core.foreign_errors import message_of

TOKENIZER: Final = "tokenizer.json"
SPECIAL: Final = "special_tokens_map.json"
FILES: Final = (TOKENIZER, "tokenizer_config.json", SPECIAL)
KNOWN: Final = frozenset({"__type", "id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"})
_MANY: Final = frozenset({"extra_special_tokens"})  # the only table in SPECIAL that is not a token description itself


def check_added_tokens(folder: Path) -> None:
    """Check that all added tokens are described only by fields that the tokenizers library knows.

    Raises:
        ModelError: a token has other fields, or a file is not JSON.
    """
    for name in FILES:
        path = folder / name
        if not path.is_file():
            continue
        hint = f"mend {name}, or choose another revision"
        try:
            content = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise ModelError(f"{folder}: {name} is not JSON: {message_of(error)}", hint=hint) from error
        for token in _tokens(content, name):
            if unknown := sorted(token.keys() - KNOWN):
                raise ModelError(
                    f"{folder}: {name} describes a token by {named(unknown[0])!r}, which the tokenizers "
                    "library does not know",
                    hint=hint,
                )


def _tokens(content: Any, file: str) -> Iterator[dict[str, Any]]:
    """Yield token descriptions: those where transformers expects them, and anything else that looks like one."""
    if not isinstance(content, dict):
        return
    listed, numbered = content.get("added_tokens"), content.get("added_tokens_decoder")
    found = [*(listed if isinstance(listed, list) else ()), *(numbered.values() if isinstance(numbered, dict) else ())]
    single = content.keys() - _MANY if file == SPECIAL else {key for key in content if key.endswith("_token")}
    found += [content[key] for key in sorted(single)]
    yield from (token for token in found if isinstance(token, dict))
    if file != TOKENIZER:  # which has other objects with a `content`, and describes tokens in one place only
        yield from (part for part in _tables(content) if "__type" in part or isinstance(part.get("content"), str))


def _tables(content: Any) -> Iterator[dict[str, Any]]:
    """Yield all JSON objects, at any depth."""
    left = [content]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            yield part
        if isinstance(part, dict | list):
            left += part.values() if isinstance(part, dict) else part
