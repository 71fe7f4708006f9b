"""Export a model with each of the exporters that are to be distinguished."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from hubslice.core.errors import ExportError
from hubslice.core.foreign_errors import first_line
from hubslice.graph.export import BATCH, OUTPUT, quiet
from hubslice.models.calling import Call, eval_mode


def export_script(module: nn.Module, inputs: Mapping[str, Tensor], path: Path) -> None:
    """Write the graph of torch's older exporter, with a dynamic batch axis.

    Raises:
        ExportError: the export fails.
    """
    axes = {name: {0: BATCH} for name in (*inputs, OUTPUT)}
    with eval_mode(module), quiet():
        try:
            torch.onnx.export(
                Call(module, tuple(inputs)).eval(),
                tuple(inputs.values()),
                path,
                dynamo=False,
                input_names=list(inputs),
                output_names=[OUTPUT],
                dynamic_axes=axes,
            )
        except Exception as error:  # torch does not document which errors it raises here
            raise ExportError(
                f"{type(module).__name__} cannot be exported by TorchScript: {first_line(error)[:200]}",
                hint="leave that exporter's stacks out: --stack",
            ) from error
