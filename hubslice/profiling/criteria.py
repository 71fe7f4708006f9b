"""The coverage criteria as ONNX nodes: from channel means to "active or not", for each sample and channel."""

from __future__ import annotations

from collections.abc import Callable

from onnx import TensorProto, helper

from hubslice.artefacts.profile import Criterion
from hubslice.profiling.node_writer import NodeWriter

Extreme = Callable[[str], str]  # "ReduceMin" or "ReduceMax" -> that of the whole tensor for each sample, [N, 1]


def write_criterion(writer: NodeWriter, criterion: Criterion, means: str, channels: int, extreme: Extreme) -> str:
    """The name of a bool tensor [N, C] that tells which channels are active; `means` is [N, C].

    A layer that is constant on a sample is not covered under nc and snac: the authors' code divides 0 by 0 there, and
    NaN exceeds nothing.
    """
    match criterion.name:
        case "nc":
            return _nc(writer, criterion.threshold, means, extreme("ReduceMin"), extreme("ReduceMax"))
        case "tknc":
            return _tknc(writer, min(criterion.k, channels), means)
        case "snac":
            return _snac(writer, criterion.k, means)


def _nc(writer: NodeWriter, threshold: float, means: str, low: str, high: str) -> str:
    # By linearity the mean of the scaled tensor is the scaled mean: no scaled copy of the tensor is needed.
    scaled = writer.op("Div", writer.op("Sub", means, low), writer.op("Sub", high, low))
    above = writer.op("Greater", scaled, writer.number(threshold))
    # A constant layer's mean may differ from its extremes by rounding; the quotient is then infinite instead of NaN.
    return writer.op("And", above, writer.op("Greater", high, low))


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


def _filled(writer: NodeWriter, like: str, value: bool) -> str:
    content = helper.make_tensor("value", TensorProto.BOOL, [1], [value])
    return writer.op("ConstantOfShape", writer.op("Shape", like), value=content)
