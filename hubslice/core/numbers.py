"""Format measured numbers for people, in tables, messages, pages and cards."""

from __future__ import annotations

import math
from typing import Final

_SMALLEST: Final = 1e-4  # smaller ones are written with an exponent
_LARGEST: Final = 1e15


def number(value: float, digits: int = 3, *, grouped: bool = True) -> str:
    """Format with significant digits, without an exponent for ordinary sizes.

    For example `1,830`, `99.7`, `0.27`, `0.0042`, `1.2e-6`. Trailing zeros are left out: 0.50 is `0.5`. Without
    `grouped`, for machine-readable output, there are no thousands separators: `1830`.
    """
    if math.isnan(value):
        return "not a number"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    mantissa, power = _parts(value, digits)
    if float(mantissa) == 0:
        return "0"
    if not _SMALLEST <= abs(float(f"{mantissa}e{power}")) < _LARGEST:
        return f"{_trimmed(mantissa)}e{power}"
    places = max(digits - 1 - power, 0)
    return _trimmed(f"{value:,.{places}f}" if grouped else f"{value:.{places}f}")


def rounded(value: float, digits: int = 3) -> float:
    """Round to that many significant digits, keeping all digits before the point.

    For example, 1,834.2 becomes 1,834, and 0.27183 becomes 0.272.
    """
    return round(value, digits - 1 - min(_parts(value, digits)[1], digits - 1)) if math.isfinite(value) else value


def signed(value: float, digits: int = 3) -> str:
    """Format like `number`, with the sign: `+1,830`, `-0.27`."""
    told = number(value, digits)
    return told if told.startswith("-") or told == "0" else f"+{told}"


def size_in_words(size: int) -> str:
    """Format a number of bytes: `3.2 GiB`, `75.3 KiB`, `12 bytes`."""
    for unit, words in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:,.1f} {words}"
    return f"{size} bytes"


def amount(number: int, noun: str) -> str:
    """Format a count of a noun whose plural ends in s: `1 model`, `1,200 models`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _parts(value: float, digits: int) -> tuple[str, int]:
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    return mantissa, int(exponent)


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
