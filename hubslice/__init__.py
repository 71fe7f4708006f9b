"""hubslice: slice models from the Hub down to a task, without their defects, and publish the evidence.

Every verb of the command line is also a function here. The functions are imported on first use, so that `import
hubslice` stays fast.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # same as typing.TYPE_CHECKING, whose import would delay signal handling
if TYPE_CHECKING:
    from typing import Any

    from hubslice.artefacts.slice import Slice
    from hubslice.core.errors import HubsliceError
    from hubslice.models.load import load
    from hubslice.training.hold import hold, hold_callback
    from hubslice.verbs.convert.function import convert
    from hubslice.verbs.detect.function import detect_check, detect_fit
    from hubslice.verbs.diff.function import diff
    from hubslice.verbs.execution.function import execution, execution_patterns
    from hubslice.verbs.explain.function import explain
    from hubslice.verbs.exposure.function import exposure
    from hubslice.verbs.latency.function import latency
    from hubslice.verbs.lineage.function import lineage, lineage_index
    from hubslice.verbs.poison.function import poison
    from hubslice.verbs.pull.function import pull
    from hubslice.verbs.push.function import plan_push, push
    from hubslice.verbs.slice.function import slice  # noqa: A004
    from hubslice.verbs.verify.function import verify

_HOMES = {
    "convert": "hubslice.verbs.convert.function",
    "detect_check": "hubslice.verbs.detect.function",
    "detect_fit": "hubslice.verbs.detect.function",
    "diff": "hubslice.verbs.diff.function",
    "execution": "hubslice.verbs.execution.function",
    "execution_patterns": "hubslice.verbs.execution.function",
    "explain": "hubslice.verbs.explain.function",
    "exposure": "hubslice.verbs.exposure.function",
    "latency": "hubslice.verbs.latency.function",
    "lineage": "hubslice.verbs.lineage.function",
    "lineage_index": "hubslice.verbs.lineage.function",
    "load": "hubslice.models.load",
    "plan_push": "hubslice.verbs.push.function",
    "poison": "hubslice.verbs.poison.function",
    "pull": "hubslice.verbs.pull.function",
    "push": "hubslice.verbs.push.function",
    "slice": "hubslice.verbs.slice.function",
    "verify": "hubslice.verbs.verify.function",
    "HubsliceError": "hubslice.core.errors",
    "Slice": "hubslice.artefacts.slice",
    "hold": "hubslice.training.hold",
    "hold_callback": "hubslice.training.hold",
}

__all__ = [
    "HubsliceError",
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
