"""hubslice: slice Hub teachers to the weights a task needs, leave their defects behind, and publish the proof.

Every verb of the command line is a function here. They are loaded on first use, so that `import hubslice` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hubslice.api.ancestry import execution, execution_patterns, exposure, lineage, lineage_index
    from hubslice.api.inputs import detect_check, detect_fit, diff, explain
    from hubslice.api.models import convert, latency, load, pull
    from hubslice.api.runs import plan_push, poison, push, slice, verify  # noqa: A004
    from hubslice.artefacts.slice import Slice
    from hubslice.training.hold import hold, hold_callback

_HOMES = {
    "convert": "hubslice.api.models",
    "detect_check": "hubslice.api.inputs",
    "detect_fit": "hubslice.api.inputs",
    "diff": "hubslice.api.inputs",
    "execution": "hubslice.api.ancestry",
    "execution_patterns": "hubslice.api.ancestry",
    "explain": "hubslice.api.inputs",
    "exposure": "hubslice.api.ancestry",
    "latency": "hubslice.api.models",
    "lineage": "hubslice.api.ancestry",
    "lineage_index": "hubslice.api.ancestry",
    "load": "hubslice.api.models",
    "plan_push": "hubslice.api.runs",
    "poison": "hubslice.api.runs",
    "pull": "hubslice.api.models",
    "push": "hubslice.api.runs",
    "slice": "hubslice.api.runs",
    "verify": "hubslice.api.runs",
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
