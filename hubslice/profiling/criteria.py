"""The coverage criteria as ONNX nodes: from channel means to "active or not" for each sample and channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto, helper

from hubslice.artefacts.profile import Criterion
from hubslice.profiling.node_writer import NodeWriter


@dataclass(frozen=True)
class Measured:
    """Statistics of a tensor, as names in the graph: channel means [N, C]; for nc also its extremes, [N] each."""

    channels: int
    means: str
    low: str = ""
    high: str = ""


def write_criterion(writer: NodeWriter, criterion: Criterion, measured: Sequence[Measured]) -> str:
    """Write a bool tensor with the active channels, and return its name: [N, all channels of `measured` in order].

    A layer that is constant on a sample is not covered under nc and snac: the authors' code divides 0 by 0 there, and
    comparisons with NaN are false.
    """
    match criterion.name:
        case "nc":
            return _nc(writer, criterion.threshold, measured)
        case "tknc":
            return _side_by_side(writer, [_tknc(writer, min(criterion.k, one.channels), one.means) for one in measured])
        case "snac":
            return _side_by_side(writer, [_snac(writer, criterion.k, one.means) for one in measured])


def _nc(writer: NodeWriter, threshold: float, measured: Sequence[Measured]) -> str:
    means = _side_by_side(writer, [one.means for one in measured])
    low, high = (_by_channel(writer, measured, [getattr(one, side) for one in measured]) for side in ("low", "high"))
    # By linearity the mean of the scaled tensor is the scaled mean: no scaled copy of the tensor is needed.
    scaled = writer.op("Div", writer.op("Sub", means, low), writer.op("Sub", high, low))
    above = writer.op("Greater", scaled, writer.number(threshold))
    # A constant layer's mean may differ from its extremes by rounding; the quotient is then infinite instead of NaN.
    return writer.op("And", above, writer.op("Greater", high, low))


def _by_channel(writer: NodeWriter, measured: Sequence[Measured], values: Sequence[str]) -> str:
    """Repeat one value per tensor and sample, [N] each, for all channels of its tensor: [N, all channels]."""
    tensors = np.repeat(np.arange(len(measured)), [one.channels for one in measured])
    table = writer.op("Reshape", writer.op("Concat", *values, axis=0), writer.ints(len(values), -1))
    return writer.op("Gather", writer.op("Transpose", table, perm=[1, 0]), writer.ints(*tensors), axis=1)


def _tknc(writer: NodeWriter, k: int, means: str) -> str:
    indices = writer.op("TopK", means, writer.ints(k), outputs=2, axis=1, largest=1, sorted=1)
    none = _filled(writer, means, False)
    return writer.op("ScatterElements", none, indices, _filled(writer, indices, True), axis=1)


def _snac(writer: NodeWriter, k: int, means: str) -> str:
    axis = writer.ints(1)
    low = writer.op("ReduceMin", means, axis, keepdims=1)
    high = writer.op("ReduceMax", means, axis, keepdims=1)
    section = writer.op("Div", writer.op("Sub", high, low), writer.number(k))
    return writer.op("Greater", means, writer.op("Sub", high, section))


def _side_by_side(writer: NodeWriter, tables: Sequence[str]) -> str:
    return writer.op("Concat", *tables, axis=1)


def _filled(writer: NodeWriter, like: str, value: bool) -> str:
    content = helper.make_tensor("value", TensorProto.BOOL, [1], [value])
    return writer.op("ConstantOfShape", writer.op("Shape", like), value=content)
