"""hubslice: slice Hub teachers to the weights a task needs, leave their defects behind, and publish the proof.

Every verb of the command line is a function here. They are loaded on first use, so that `import hubslice` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hubslice.api.convert import convert
    from hubslice.api.detect import detect_check, detect_fit
    from hubslice.api.diff import diff
    from hubslice.api.execution import execution, execution_patterns
    from hubslice.api.explain import explain
    from hubslice.api.exposure import exposure
    from hubslice.api.latency import latency
    from hubslice.api.lineage import lineage, lineage_index
    from hubslice.api.load import load
    from hubslice.api.poison import poison
    from hubslice.api.pull import pull
    from hubslice.api.push import (
        plan_push,
        push,
    )
    from hubslice.api.slice import slice  # noqa: A004
    from hubslice.api.verify import verify
    from hubslice.artefacts.slice import Slice
    from hubslice.training.hold import hold, hold_callback

_HOMES = {
    "convert": "hubslice.api.convert",
    "detect_check": "hubslice.api.detect",
    "detect_fit": "hubslice.api.detect",
    "diff": "hubslice.api.diff",
    "execution": "hubslice.api.execution",
    "execution_patterns": "hubslice.api.execution",
    "explain": "hubslice.api.explain",
    "exposure": "hubslice.api.exposure",
    "latency": "hubslice.api.latency",
    "lineage": "hubslice.api.lineage",
    "lineage_index": "hubslice.api.lineage",
    "load": "hubslice.api.load",
    "plan_push": "hubslice.api.push",
    "poison": "hubslice.api.poison",
    "pull": "hubslice.api.pull",
    "push": "hubslice.api.push",
    "slice": "hubslice.api.slice",
    "verify": "hubslice.api.verify",
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
