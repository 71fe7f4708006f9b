"""The kinds of steps, in run order, as accepted by `--until`. Imports nothing, so that help is fast."""

from __future__ import annotations

KINDS = (
    "pull",
    "data",
    "export",
    "profile",
    "trace",
    "slice",
    "init",
    "train",
    "evaluate",
    "audit",
    "diff",
    "exposure",
    "report",
)
