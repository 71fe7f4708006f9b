"""Store patterns on disk: recorded names and durations of every run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from hubslice.core.errors import LineageError
from hubslice.files.sealed import read_sealed, write_sealed
from hubslice.verbs.execution.facts import Settings, Site
from hubslice.verbs.execution.trace import Pattern, Trace

KIND: Final = "pattern store"
VERSION: Final = 1  # of the definition of events, and of the file format
AGAIN: Final = "make it again with `hubslice patterns MODEL ... --out FILE`"


def save_patterns(path: Path, patterns: Sequence[Pattern], site: Site) -> None:
    """Write patterns and where they were recorded, atomically. Runs with the same order of names share it."""
    orders = list(dict.fromkeys(trace.names for pattern in patterns for trace in pattern.traces))
    words = sorted({name for order in orders for name in order})
    number = {word: at for at, word in enumerate(words)}
    place = {order: at for at, order in enumerate(orders)}
    traces = [(at, trace) for at, pattern in enumerate(patterns) for trace in pattern.traces]
    about = {
        "version": VERSION,
        "site": site.model_dump(mode="json"),
        "words": words,
        "patterns": [
            {
                "model": each.model,
                "architecture": each.architecture,
                "stack": each.stack,
                "settings": each.settings.model_dump(mode="json"),
            }
            for each in patterns
        ],
    }
    tensors = {
        "order_length": np.array([len(order) for order in orders], np.int32),
        "order_words": np.array([number[name] for order in orders for name in order], np.int32),
        "pattern": np.array([at for at, _ in traces], np.int32),
        "order": np.array([place[trace.names] for _, trace in traces], np.int32),
        "durations": np.concatenate([trace.durations for _, trace in traces] or [np.zeros(0, np.uint32)]),
    }
    write_sealed(path, KIND, about, tensors)


def load_patterns(path: Path) -> tuple[list[Pattern], Site]:
    """Read a file that `save_patterns` wrote.

    Raises:
        RunError: the file is missing, damaged, or not a store of patterns.
        LineageError: its version is not supported.
    """

    def build(about: dict[str, Any], tensors: dict[str, np.ndarray]) -> tuple[list[Pattern], Site]:
        if about["version"] != VERSION:
            raise LineageError(
                f"{path} holds patterns of version {about['version']}; this hubslice reads version {VERSION}",
                hint=AGAIN,
            )
        orders = [tuple(about["words"][at] for at in part) for part in _parts(tensors, "order_words", "order_length")]
        lengths = tensors["order_length"][tensors["order"]]
        spent = np.split(tensors["durations"], np.cumsum(lengths)[:-1])
        traces: list[list[Trace]] = [[] for _ in about["patterns"]]
        for pattern, order, durations in zip(tensors["pattern"], tensors["order"], spent, strict=True):
            traces[pattern].append(Trace(orders[order], durations))
        patterns = [
            Pattern(**{**each, "settings": Settings(**each["settings"])}, traces=tuple(own))
            for each, own in zip(about["patterns"], traces, strict=True)
        ]
        return patterns, Site(**about["site"])

    return read_sealed(path, KIND, build, hint=AGAIN)


def _parts(tensors: dict[str, np.ndarray], values: str, lengths: str) -> list[np.ndarray]:
    return np.split(tensors[values], np.cumsum(tensors[lengths])[:-1])
