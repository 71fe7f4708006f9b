"""The kinds of steps, in the order of a run: what `--until` takes. Nothing is imported, so that help is quick."""

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
