"""From outcomes to a table and a plot."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
OUTCOMES = HERE / "outcomes"
THROUGHPUT = HERE / "throughput.json"


def render() -> None:
    """To come."""
