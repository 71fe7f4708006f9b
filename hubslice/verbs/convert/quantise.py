"""Quantise a model to an ONNX graph in 8-bit integers with ONNX Runtime, and measure its agreement with the model."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from hubslice.core.artefact import DRAFT
from hubslice.core.errors import ExportError, ParityError
from hubslice.core.foreign_errors import first_line
from hubslice.core.machine import out_of_memory
from hubslice.core.progress import SILENT, Reporter, stage
from hubslice.graph.deployable import write_onnx
from hubslice.graph.session import open_plain
from hubslice.models.base import Model
from hubslice.verbs.convert.agreement import QuantisationReport

BATCH = 8
NOISE = 64  # images, if there are no others to check with


def write_int8(
    model: Model,
    path: Path,
    *,
    calibration: np.ndarray | None,
    check: np.ndarray | None,
    least: float,
    reporter: Reporter = SILENT,
) -> QuantisationReport:
    """Write the quantised graph to `path` after checking it.

    `calibration` are pixels [n, C, H, W] in [0, 1] that determine the ranges of activations: static quantisation, in
    QDQ form, weights per channel. None: dynamic quantisation of weights only. `check` are other pixels on which the
    graph must predict the same as the model, for at least the share `least` of them.

    Raises:
        ExportError: ONNX Runtime cannot quantise it.
        ParityError: the export, or the quantised graph, predicts differently; nothing is written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.", suffix=DRAFT) as folder:
        full, ready, draft = (Path(folder) / name for name in ("full.onnx", "ready.onnx", path.name))
        write_onnx(model, full, reporter=reporter)
        try:
            with (
                _quiet(),
                stage(reporter, "quantise", "Calibrate and quantise" if calibration is not None else "Quantise"),
            ):
                quant_pre_process(full, ready, skip_symbolic_shape=True)
                if calibration is None:
                    # With dynamic ranges, ONNX Runtime only has convolutions with unsigned weights.
                    quantize_dynamic(ready, draft, per_channel=True, weight_type=QuantType.QUInt8)
                else:
                    reader = _Reader(model, open_plain(full).input_names[0], calibration)
                    quantize_static(
                        ready,
                        draft,
                        reader,
                        quant_format=QuantFormat.QDQ,
                        per_channel=True,
                        nodes_to_exclude=_in_float(ready),
                    )
        except Exception as error:  # ONNX Runtime does not document which errors it raises
            if out_of_memory(error):
                raise
            raise ExportError(
                f"ONNX Runtime cannot quantise {model.architecture}: {first_line(error)[:300]}",
                hint="use --to fp16 for a smaller graph in float16",
            ) from error
        _describe(full, draft)
        with stage(reporter, "compare", "Compare answers before and after"):
            report = _compare(model, full, draft, calibration, check)
        if (report.agreement.value or 0) < least:
            raise ParityError(
                f"in 8 bits {model.architecture} answers as before for only {report.agreement.hits} of "
                f"{report.agreement.total} {report.checked_on}; {least:.0%} are wanted",
                hint="calibrate with more images (--data, --samples), try --dynamic, or allow it with --min-agreement",
            )
        draft.replace(path)
    return report


def _in_float(path: Path) -> list[str]:
    """Return nodes that ONNX Runtime cannot quantise, or cannot run afterwards.

    These are group normalisations, whose reshaped input it mistakes for a weight, and products with a stack of
    matrices, which get a scale for each column of each.
    """
    graph = onnx.load(path, load_external_data=False).graph
    stacks = {tensor.name for tensor in graph.initializer if len(tensor.dims) > 2}
    return [
        node.name
        for node in graph.node
        if node.op_type == "InstanceNormalization" or (node.op_type == "MatMul" and stacks & set(node.input))
    ]


class _Reader(CalibrationDataReader):
    """Yields prepared images in batches."""

    def __init__(self, model: Model, name: str, pixels: np.ndarray) -> None:
        self.batches: Iterator[dict[str, np.ndarray]] = (
            {name: _prepared(model, pixels[start : start + BATCH])} for start in range(0, len(pixels), BATCH)
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.batches, None)


def _prepared(model: Model, pixels: np.ndarray) -> np.ndarray:
    import torch

    found: np.ndarray = model.pixels_to_inputs(torch.from_numpy(pixels)).numpy()
    return found


def _describe(full: Path, draft: Path) -> None:
    """Keep labels, preprocessing and warnings in the metadata."""
    graph = onnx.load(draft)
    about = {entry.key: entry.value for entry in onnx.load(full, load_external_data=False).metadata_props}
    onnx.helper.set_model_props(graph, about)
    onnx.save(graph, draft)


def _compare(
    model: Model, full: Path, draft: Path, calibration: np.ndarray | None, check: np.ndarray | None
) -> QuantisationReport:
    pixels = check
    if pixels is None:
        pixels = np.random.default_rng(0).random((NOISE, *model.image_preprocessing.input_size), np.float32)
    before, after = (_logits(model, open_plain(path), pixels) for path in (full, draft))
    return QuantisationReport.between(
        before,
        after,
        "noise" if check is None else "images",
        mode="dynamic" if calibration is None else "static",
        calibrated=0 if calibration is None else len(calibration),
    )


def _logits(model: Model, session: Any, pixels: np.ndarray) -> np.ndarray:
    (name,) = session.input_names
    parts = [
        session.runtime.run(None, {name: _prepared(model, pixels[start : start + BATCH])})[0]
        for start in range(0, len(pixels), BATCH)
    ]
    return np.concatenate(parts)


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress warnings of ONNX Runtime's quantisation about intended settings."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
