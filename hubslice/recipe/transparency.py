"""Rules for transparent images; recipes name one, models record it."""

from __future__ import annotations

from typing import Literal

Transparency = Literal["white", "black", "drop"]
"""White or black behind the image, or no transparency at all: `drop` shows the colours under the alpha channel."""

STOCK: Transparency = "drop"  # what timm's and transformers' pipelines do: `.convert("RGB")`


def in_words(rule: Transparency) -> str:
    """Return the rule as half a sentence, after "transparent parts"."""
    return "show the colours under the alpha channel" if rule == "drop" else f"are shown on {rule}"
