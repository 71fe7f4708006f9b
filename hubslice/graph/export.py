"""Export a PyTorch model to an ONNX graph that stays as close to the modules as the exporter allows.

The export is not optimised: convolutions keep their raw weights and their module scope, BatchNorm stays a separate
node, linear weights keep their names before a `Transpose`. The neuron map relies on this. Faster graphs are derived
later.
"""

from __future__ import annotations

import ast
import contextlib
import io
import logging
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from hubslice.core.artefact import DRAFT
from hubslice.core.errors import ExportError
from hubslice.graph.attention import FourAxes
from hubslice.models.calling import Call, eval_mode

BATCH = "batch"  # symbol of the dynamic batch axis in the graph
OUTPUT = "logits"
SCOPES = "pkg.torch.onnx.name_scopes"


def export_onnx(module: nn.Module, inputs: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write `module`, in eval mode, as an ONNX graph with a dynamic batch axis to `path`, atomically.

    `inputs` are example tensors [N, ...] by graph input name, all with the same N and on the module's device; `Call`
    describes how they are passed to the module. The graph has one output, `logits`.

    Initializers have the names of the module's parameters and buffers. Nodes keep only their module scopes: stack
    traces would put local paths into a file that may be published, and change its hash. The weights go into
    `<name>.data` beside the graph only above 2 GB. The module's training modes are restored.

    Raises:
        ExportError: torch cannot express the model as an ONNX graph, or only with a fixed batch size.
    """
    name = type(module).__name__
    examples = tuple(_two_samples(tensor) for tensor in inputs.values())
    batch = torch.export.Dim(BATCH)
    # Use attention's math form: exporting the fused kernels with a mask fails on their strides (torch 2.14).
    with eval_mode(module), quiet(), sdpa_kernel(SDPBackend.MATH), FourAxes():
        try:
            program = torch.onnx.export(
                Call(module, tuple(inputs)).eval(),
                examples,
                dynamo=True,
                optimize=False,
                verbose=False,
                input_names=list(inputs),
                output_names=[OUTPUT],
                dynamic_shapes=(tuple({0: batch} for _ in examples),),
            )
        except Exception as error:  # torch does not document which errors it raises here
            raise ExportError(f"{name} cannot be exported to ONNX: {_reason(error)}", hint=_hint(error)) from error
        if program is None:
            raise ExportError(f"torch returned no ONNX program for {name}")
    _require_batch_axis(program.model, name)
    _restore_names(program.model, canonical_names(module))
    _save(program, path)


def _two_samples(tensor: torch.Tensor) -> torch.Tensor:
    # torch.export treats an axis of size 1 as a constant.
    return tensor if tensor.shape[0] > 1 else torch.cat([tensor, tensor])


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress torch's progress output and, before the error that hubslice reports, its stack traces."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _require_batch_axis(model: Any, name: str) -> None:
    shape = model.graph.outputs[0].shape
    if shape is None or len(shape) == 0 or str(shape[0]) != BATCH:
        raise ExportError(
            f"{name} does not keep its batch axis: the first axis of its output is {shape[0] if shape else 'missing'}",
            hint="the model must give one row of output for each sample",
        )


def canonical_names(module: nn.Module) -> dict[str, str]:
    """Map each name of each parameter to the one in `named_parameters()`; tied parameters have several."""
    first: dict[int, str] = {}
    every = module.named_parameters(remove_duplicate=False)
    return {name: first.setdefault(id(parameter), name) for name, parameter in every}


def _restore_names(model: Any, names: Mapping[str, str]) -> None:
    """Remove the wrapper from initializer names and scopes, and drop all other metadata."""
    for value in list(model.graph.initializers.values()):
        name = value.name.removeprefix("module.")
        value.name = names.get(name, name)
        value.metadata_props.clear()
    for value in model.graph.inputs:
        value.metadata_props.clear()
    model.metadata_props.clear()
    model.graph.metadata_props.clear()
    for node in model.graph.all_nodes():
        scopes = ast.literal_eval(node.metadata_props.get(SCOPES, "[]"))
        node.metadata_props.clear()
        if scopes:
            inner = [scope.removeprefix("module").removeprefix(".") for scope in scopes[1:]]
            node.metadata_props[SCOPES] = repr(inner)


def _save(program: torch.onnx.ONNXProgram, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.", suffix=DRAFT) as folder:
        # Keep the file name: the graph refers to its data file by name.
        program.save(str(Path(folder) / path.name))
        # The data first, so that a graph never exists without it.
        for file in sorted(Path(folder).iterdir(), key=lambda file: file.name == path.name):
            file.replace(path.parent / file.name)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _reason(error: BaseException) -> str:
    """Return the innermost cause as one line, including the name of a missing operator."""
    *_, innermost = _causes(error)
    operator = re.search(r"No ONNX function found for <OpOverload\(op='([\w.:]+)'", str(innermost))
    if operator:
        return f"there is no ONNX form of the operator {operator[1]}"
    lines = [line.strip() for line in str(innermost).splitlines() if line.strip()]
    return f"{type(innermost).__name__}: {lines[0][:300]}" if lines else type(innermost).__name__


def _hint(error: BaseException) -> str:
    text = " ".join(str(cause) for cause in _causes(error))
    if "No ONNX function found" in text:
        return "replace the operator in the model's code, or try a newer torch and onnxscript"
    if "data-dependent" in text:
        return "its forward branches on the values of tensors; such a model cannot become one graph"
    if "Constraints violated" in text or "specialized" in text:
        return "the model's code fixes its batch size; the first axis of its inputs must stay free"
    return "check that the model runs on the example inputs"
