"""Format numbers, references and quoted files consistently in cards."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hubslice.core.escaping import longest_run, markdown
from hubslice.core.rate import Estimate, Rate

MINUS = "−"


def count(number: int) -> str:
    """Format 12345 as `12,345`."""
    return f"{number:,}"


def percent(share: float) -> str:
    """Format 0.8431 as `84.3 %`; a share that only rounds to 0 or 100 becomes `<0.1 %` or `>99.9 %`."""
    if 0 < share < 0.0005:
        return "<0.1 %"
    if 0.9995 <= share < 1:
        return ">99.9 %"
    return f"{_tenths(share)} %"


def interval(low: float, high: float) -> str:
    """Format both ends in percent: `[79.1, 88.4]`."""
    return f"[{_tenths(low)}, {_tenths(high)}]"


def rate(measured: Rate | None) -> str:
    """Format as `84.3 % [79.1, 88.4], n = 243`, or `not measured`."""
    if measured is None or measured.value is None or measured.interval is None:
        return "not measured"
    return f"{percent(measured.value)} {interval(*measured.interval)}, n = {count(measured.total)}"


def short_rate(measured: Rate | None) -> str:
    """Format as `84.3 % [79.1, 88.4]`, if the number of samples is shown elsewhere; `–` if nothing was measured."""
    if measured is None or measured.value is None or measured.interval is None:
        return "–"
    return f"{percent(measured.value)} {interval(*measured.interval)}"


def points(estimate: Estimate) -> str:
    """Format a difference of rates: `48.9 points [41.0, 56.3]`."""
    return f"{_tenths(estimate.value)} points {interval(estimate.low, estimate.high)}"


def relative(estimate: Estimate) -> str:
    """Format a ratio: `79.9 % [71.0, 87.1]`."""
    return f"{percent(estimate.value)} {interval(estimate.low, estimate.high)}"


def listed(parts: Sequence[str]) -> str:
    """Join as `a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def sentence(words: str) -> str:
    """Capitalise the first letter."""
    return words[:1].upper() + words[1:]


def inline(title: str) -> str:
    """Lowercase a title's first letter for use in a sentence, except for abbreviations and names like `ReMoS`."""
    word = title.split(" ", 1)[0]
    return title[:1].lower() + title[1:] if word[1:].islower() or len(word) == 1 else title


def link(reference: str) -> str:
    """Format a URL as a link with itself as text; other references are plain text."""
    return f"<{reference}>" if re.fullmatch(r"https?://[^\s<>]+", reference) else markdown(reference)


def fenced(content: str, language: str) -> str:
    """Return a fenced block that shows `content` verbatim, whatever fences it contains."""
    fence = "`" * max(3, longest_run(content) + 1)
    return f"{fence}{language}\n{content.rstrip()}\n{fence}"


def _tenths(share: float) -> str:
    number = f"{100 * share:.1f}"
    return "0.0" if number == "-0.0" else number.replace("-", MINUS)
