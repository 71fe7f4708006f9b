"""A data set to the Hub and back, by the `datasets` library."""

from __future__ import annotations

from pathlib import Path

from datasets import Dataset, load_dataset


def round_trip(folder: Path) -> None:
    rows = Dataset.from_dict({"text": ["a", "b", "c"], "label": [0, 1, 2]})
    rows.push_to_hub("alice/rows")
    assert load_dataset("alice/rows", split="train").to_dict() == rows.to_dict()
