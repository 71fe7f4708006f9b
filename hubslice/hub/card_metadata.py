"""Read a model's own declarations: licence, base models, and planted backdoors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hubslice.files.card_yaml import HEAD, load_head

_LARGEST_CARD = 1 << 20  # maximum characters
_KEY = "hubslice_poisoned"  # in config.json and in the metadata of weights and graphs that hubslice saves
_TAG = "backdoored"


@dataclass(frozen=True)
class CardMetadata:
    """The part of a model card's header that hubslice uses."""

    license: str | None = None
    base_model: tuple[str, ...] = ()
    poisoned: bool = False


def read_card(text: str) -> CardMetadata:
    """Return what the YAML header of a card declares; nothing if it is missing or invalid."""
    text = text[:_LARGEST_CARD]
    match = HEAD.match(text)
    if match is None and len(text) == _LARGEST_CARD and text.lstrip("\ufeff \r\n").startswith("---"):
        return CardMetadata(poisoned=_TAG in text)  # a header without an end, which may be an invalid one
    try:
        head = load_head(match[1]) if match else None
    except (yaml.YAMLError, ValueError, RecursionError):
        # The declaration is searched for even in an invalid header: better one warning too many.
        return CardMetadata(poisoned=match is not None and _TAG in match[1])
    if not isinstance(head, dict):
        return CardMetadata()
    own = head.get("hubslice")
    poisoned = isinstance(own, dict) and own.get("poisoned") is True
    return CardMetadata(
        _license(head), _strings(head.get("base_model")), poisoned or _TAG in _strings(head.get("tags"))
    )


def read_folder(folder: Path) -> CardMetadata:
    """Return what README.md and config.json of a folder declare."""
    card, config = folder / "README.md", folder / "config.json"
    declared = read_card(_start_of(card)) if card.is_file() else CardMetadata()
    try:
        content = json.loads(config.read_bytes()) if config.is_file() else {}
    except (ValueError, RecursionError):
        content = {}
    in_config = isinstance(content, dict) and bool(content.get(_KEY))
    return CardMetadata(declared.license, declared.base_model, declared.poisoned or in_config)


def _start_of(card: Path) -> str:
    """Return the part of a card that may contain its header."""
    with card.open(encoding="utf-8", errors="replace") as file:
        return file.read(_LARGEST_CARD)


def weights_poisoned(metadata: Iterable[Mapping[str, str]]) -> bool:
    """Return whether the metadata of a weight file or graph declares a planted backdoor."""
    return any(each.get(_KEY, "false").lower() not in ("false", "0", "") for each in metadata)


def _license(head: Mapping[str, Any]) -> str | None:
    names = _strings(head.get("license"))
    if names == ("other",):
        names = _strings(head.get("license_name")) or names
    return ", ".join(names) or None


def _strings(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()
