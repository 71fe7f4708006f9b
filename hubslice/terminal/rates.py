"""Rates as table cells: one column on a terminal, columns of numbers in a pipe."""

from __future__ import annotations

from hubslice.core.cells import percent
from hubslice.core.rate import Rate


def rate(measured: Rate) -> str:
    """Format a rate with its 95 % interval and sample size, for prose."""
    if measured.value is None or measured.interval is None:
        return "not measured"
    low, high = measured.interval
    return f"{measured.value:.1%} [{low:.1%}, {high:.1%}] n = {measured.total}"


def rate_cells(key: str, measured: Rate | None) -> dict[str, object]:
    """Return the cells of a rate; None if there is none."""
    if measured is None:
        return {}
    cells: dict[str, object] = {f"{key} n": measured.total}
    if measured.value is None or measured.interval is None:
        return {key: "not measured"} | cells
    value, low, high = (percent(each) for each in (measured.value, *measured.interval))
    told = {key: f"{value.text()} [{low.text()}, {high.text()}], n={measured.total:,}"}
    return told | {f"{key} value": value, f"{key} low": low, f"{key} high": high} | cells


def rate_head(key: str, title: str) -> dict[str, str]:
    """Return its heading on a terminal."""
    return {key: f"{title} (%)"}


def rate_heads(key: str, title: str) -> dict[str, str]:
    """Return its headings in a pipe: the rate, both ends of the 95 % interval, and the number of samples."""
    own = {f"{key} value": f"{title} (%)", f"{key} low": f"{title} LOW (%)", f"{key} high": f"{title} HIGH (%)"}
    return own | {f"{key} n": f"{title} N"}
