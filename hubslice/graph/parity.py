"""Check after every export that the graph computes the same as the module."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from hubslice.artefacts.report import ParityReport
from hubslice.core.errors import ModelError, ParityError
from hubslice.core.numbers import number
from hubslice.graph.export import OUTPUT
from hubslice.graph.session import open_plain, open_session
from hubslice.models.calling import Call, eval_mode, in_float64

_ROUNDING, _MOST = 8.0, 10.0  # times PyTorch's own rounding; times the usual tolerance


def check_parity(
    module: nn.Module,
    path: Path,
    inputs: Mapping[str, torch.Tensor],
    *,
    rtol: float = 1e-4,
    atol: float = 1e-8,
    device: str = "cpu",
    plain: bool = False,
) -> ParityReport:
    """Run `inputs` [N, ...] by graph input name through the module, in eval mode, and the graph; compare the outputs.

    The tolerance is `atol + rtol * max |output|`: rounding errors of a deep network grow with the scale of its outputs
    as a whole. For a network that amplifies rounding errors it is up to ten times that: eight times the difference
    between PyTorch's outputs and those computed in float64. Use another N than the export's to check the dynamic batch
    axis as well. `plain` runs the graph with ONNX Runtime's defaults, including unsound optimisations: for graphs that
    others will run.

    Raises:
        ParityError: shapes differ, or a value differs by more than the tolerance or is finite on one side only.
        ModelError: both sides give values that are not finite.
        ProviderError: `device` cannot be used.
    """
    session = open_plain(path) if plain else open_session(path, device)
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in inputs.items()}
    (actual,) = session.runtime.run([OUTPUT], arrays)
    with eval_mode(module), torch.inference_mode():
        expected = Call(module, tuple(inputs)).eval()(*inputs.values()).cpu().numpy()
    if actual.shape != expected.shape:
        raise ParityError(
            f"{path.name} gives outputs {list(actual.shape)} where PyTorch gives {list(expected.shape)}",
            hint="export it again; do not slice from this graph",
        )
    scale = float(np.max(np.abs(expected), initial=0.0, where=np.isfinite(expected)))
    tolerance = atol + rtol * scale
    difference = _difference(actual, expected)
    worst = float(np.max(difference, initial=0.0))
    if tolerance < worst <= _MOST * tolerance:
        tolerance = max(tolerance, min(_ROUNDING * _rounding(module, inputs, expected), _MOST * tolerance))
    if worst > tolerance:
        sample, *index = (int(i) for i in np.unravel_index(int(np.argmax(difference)), difference.shape))
        raise ParityError(
            f"{path.name} differs from PyTorch by {number(worst)} at sample {sample}, output {index}; the limit is "
            f"{number(atol + rtol * scale)} = {number(atol)} + {number(rtol)} x {number(scale)}, the largest output",
            hint="export it again; do not slice from this graph. A model that is random in eval mode cannot pass",
        )
    if not np.isfinite(expected).all():
        raise ModelError(
            f"{type(module).__name__} computes values that are not finite numbers from ordinary inputs",
            hint="its weights are damaged, or their training diverged; choose another revision or train again",
        )
    return ParityReport(
        max_abs_difference=worst, tolerance=tolerance, samples=int(expected.shape[0]), provider=session.provider
    )


def _rounding(module: nn.Module, inputs: Mapping[str, torch.Tensor], expected: np.ndarray) -> float:
    """Return the largest difference of these outputs from those in float64; 0 if the module fails in float64."""
    exact = in_float64(module, inputs)
    worst = 0.0 if exact is None else float(np.max(_difference(exact.cpu().numpy(), expected), initial=0.0))
    return worst if np.isfinite(worst) else 0.0


def _difference(actual: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return absolute differences in float64: 0 for the same infinity or NaN, infinity if only one is finite."""
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        difference = np.abs(actual.astype(np.float64) - expected.astype(np.float64))
    return np.where(same, 0.0, np.nan_to_num(difference, nan=np.inf, posinf=np.inf))
