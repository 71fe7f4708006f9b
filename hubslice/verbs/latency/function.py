"""Measure the cost of running models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubslice.core.function import takes
from hubslice.core.progress import Reporter
from hubslice.verbs.latency.params import LatencyParams

if TYPE_CHECKING:
    from hubslice.verbs.latency.facts import LatencyReport


@takes(LatencyParams)
def latency(params: LatencyParams, reporter: Reporter) -> LatencyReport:
    """Measure the cost of running models with ONNX Runtime, relative to the first: time, memory, size, multiplications.

    All but ONNX files are exported for deployment, with BatchNorm folded. Models are called in turns at each of the
    batch sizes. `input_size` is for models that do not fix it.

    Raises:
        InputError: no model, no round, a batch size below 1, or models that take different images.
        ModelError: a model cannot be used, or a graph cannot be run.
        FetchError: a model cannot be fetched from the Hub.
    """
    from hubslice.verbs.latency.service import measure_latency

    return measure_latency(params, reporter)
