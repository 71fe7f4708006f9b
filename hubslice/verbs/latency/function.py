"""Measure what models cost to run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hubslice.core.errors import InputError
from hubslice.core.paths import AnyPath
from hubslice.core.progress import Reporter, Silent

if TYPE_CHECKING:
    from hubslice.verbs.latency.facts import LatencyReport


def latency(
    models: Sequence[AnyPath],
    *,
    batches: Sequence[int] = (1, 16),
    threads: int | None = None,
    rounds: int = 30,
    input_size: int | None = None,
    device: str = "auto",
    memory: bool = True,
    reporter: Reporter | None = None,
) -> LatencyReport:
    """What models cost to run with ONNX Runtime, as ratios to the first: time, memory, size, multiplications.

    A model is a Hub id, a run folder, a model folder or an ONNX file. All but the last are exported as they would be
    deployed, BatchNorm folded. They are called in turns at each of the batch sizes; `threads` defaults to torch's.
    `input_size` is the side of the images in pixels where models do not fix it.

    Raises:
        InputError: no model, a batch size below 1, or models that take different images.
        ModelError: a model cannot be used, or a graph cannot be run.
        FetchError: the Hub does not give a model.
    """
    from hubslice.verbs.latency.service import measure_latency

    if not models or not batches or min(batches) < 1 or rounds < 1:
        raise InputError("name a model, batches of 1 or more, and a round or more")
    return measure_latency(
        [os.fspath(model) for model in models],
        batches=tuple(dict.fromkeys(batches)),
        threads=threads,
        rounds=rounds,
        input_size=input_size,
        device=device,
        memory=memory,
        reporter=reporter or Silent(),
    )
