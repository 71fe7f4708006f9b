"""Record the operators that ONNX Runtime runs, from a session's profile."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hubslice.core.errors import HubsliceError, LineageError
from hubslice.core.foreign_errors import message_of
from hubslice.core.machine import machine_fault
from hubslice.graph.session import Level, open_session
from hubslice.verbs.execution.record_torch import WARM_UP
from hubslice.verbs.execution.trace import Trace

_RUN = "model_run"
_NODE = "_kernel_time"


def record_ort(
    graph: Path, feeds: Mapping[str, np.ndarray], runs: int, *, level: Level, threads: int, device: str
) -> tuple[Trace, ...]:
    """Return one trace per run of the graph: its nodes by operator, in whole microseconds, as they are recorded.

    Names of nodes are ignored: they come from the exporter, and would reveal everything. On a GPU the times are those
    of launching kernels.

    Raises:
        LineageError: ONNX Runtime cannot run the graph on these inputs.
        ProviderError: there is no such device.
    """
    with tempfile.TemporaryDirectory(prefix="hubslice-") as folder:
        try:
            session = open_session(graph, device, level=level, threads=threads, profile=Path(folder, "profile"))
            for _ in range(WARM_UP + runs):
                session.runtime.run(None, dict(feeds))
            events = json.loads(Path(session.runtime.end_profiling()).read_text())
        except Exception as error:  # ONNX Runtime does not document which errors it raises
            if isinstance(error, HubsliceError) or machine_fault(error) is not None:
                raise
            raise _unusable(graph, error) from error
    return tuple(_trace(nodes) for nodes in _runs(events)[WARM_UP:])


def _unusable(graph: Path, error: Exception) -> LineageError:
    return LineageError(
        f"ONNX Runtime cannot run {graph.name}: {message_of(error)}",
        hint="give --input-size with the side that the graph was made for, or export it again",
    )


def _runs(events: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Return the nodes of each run; a run is recorded after its nodes."""
    found: list[list[Mapping[str, Any]]] = [[]]
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith(_NODE):
            found[-1].append(event)
        elif event.get("name") == _RUN:
            found.append([])
    return found[:-1]


def _trace(nodes: Sequence[Mapping[str, Any]]) -> Trace:
    ordered = sorted(nodes, key=lambda node: node["ts"])
    spent = np.array([1000 * min(node["dur"], 4_000_000) for node in ordered], np.uint32)
    return Trace(tuple(node["args"]["op_name"] for node in ordered), spent)
