"""hubslice: slice Hub teachers to the weights a task needs, leave their defects behind, and publish the proof.

Every verb of the command line is a function here. They are loaded on first use, so that `import hubslice` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hubslice.api import (
        convert,
        detect_check,
        detect_fit,
        diff,
        execution,
        execution_patterns,
        explain,
        exposure,
        latency,
        lineage,
        lineage_index,
        load,
        plan_push,
        poison,
        pull,
        push,
        slice,  # noqa: A004
        verify,
    )
    from hubslice.artefacts.slice import Slice
    from hubslice.training.hold import hold, hold_callback

_HOMES = {
    "convert": "hubslice.api",
    "detect_check": "hubslice.api",
    "detect_fit": "hubslice.api",
    "diff": "hubslice.api",
    "execution": "hubslice.api",
    "execution_patterns": "hubslice.api",
    "explain": "hubslice.api",
    "exposure": "hubslice.api",
    "latency": "hubslice.api",
    "lineage": "hubslice.api",
    "lineage_index": "hubslice.api",
    "load": "hubslice.api",
    "plan_push": "hubslice.api",
    "poison": "hubslice.api",
    "pull": "hubslice.api",
    "push": "hubslice.api",
    "slice": "hubslice.api",
    "verify": "hubslice.api",
    "Slice": "hubslice.artefacts.slice",
    "hold": "hubslice.training.hold",
    "hold_callback": "hubslice.training.hold",
}

__all__ = [
    "Slice",
    "convert",
    "detect_check",
    "detect_fit",
    "diff",
    "execution",
    "execution_patterns",
    "explain",
    "exposure",
    "hold",
    "hold_callback",
    "latency",
    "lineage",
    "lineage_index",
    "load",
    "plan_push",
    "poison",
    "pull",
    "push",
    "slice",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hubslice' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
