"""The graph that a user would deploy: BatchNorm folded into the convolutions."""

from __future__ import annotations

import logging
from pathlib import Path

import onnx
import onnxscript.optimizer

from hubslice.graph.export import export_onnx
from hubslice.graph.parity import check_parity
from hubslice.models.base import Model

INLINE = 1_500_000_000  # bytes of weights; a graph file holds no more than 2 GiB
SAMPLES = 2
ROUNDING = 1e-3  # of the largest output: folding rounds every weight once more than the export does


def deployable_graph(model: Model, path: Path) -> None:
    """Write the model as an ONNX graph with a free batch axis at `path`, constants folded, BatchNorm in the weights.

    ONNX Runtime does not fold torch's export by itself: it leaves the parameters of BatchNorm behind casts.

    Raises:
        ExportError: the model cannot be exported.
        ParityError: the graph computes something else.
    """
    inputs = model.example_inputs(SAMPLES, seed=0)
    export_onnx(model.module, inputs, path)
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it tells of every constant that is too large to be folded
    try:
        graph = onnxscript.optimizer.optimize(onnx.load(path))
    finally:
        logging.disable(before)
    external = 4 * model.parameters > INLINE
    onnx.save(graph, path, save_as_external_data=external, location=f"{path.name}.data")
    check_parity(model.module, path, inputs, rtol=ROUNDING)
