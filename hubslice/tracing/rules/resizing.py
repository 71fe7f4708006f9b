"""Rule for Resize of a feature map to another height and width."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from hubslice.core.errors import RuleError
from hubslice.graph.session import open_session
from hubslice.tracing.op import Op
from hubslice.tracing.rules.rule import Rule, Trace

OPSET = 19
SETTINGS = ("mode", "coordinate_transformation_mode", "nearest_mode", "cubic_coeff_a", "exclude_outside", "antialias")

Settings = tuple[tuple[str, str | int | float], ...]
Near = tuple[np.ndarray, np.ndarray, np.ndarray]


def _ends(op: Op) -> tuple[str, ...]:
    return op.inputs[0], op.output


def _resized(op: Op, trace: Trace) -> None:
    """Resize: a weighted sum of neighbouring neurons with the interpolation weights; of one for nearest."""
    source = op.shapes.at(op.inputs[0], trace.samples)
    shape = op.shapes.at(op.output, trace.samples)
    if source[:2] != shape[:2] or len(source) < 3:
        raise RuleError(f"Resize ({op.name}) resizes other axes than height and width", hint="the rule is for these")
    settings = tuple((name, op.attributes[name]) for name in SETTINGS if name in op.attributes)
    near = [
        _neighbours(into, out, scale, settings)
        for into, out, scale in zip(source[2:], shape[2:], _scales(op, trace, len(source))[2:], strict=True)
    ]
    whole = np.zeros(source, np.int32)
    if all(counts.max() == 1 for counts, _, _ in near):
        contribution = trace.contribution(op.output)
        live = np.flatnonzero(contribution)
        for rows, taken, _ in _fields(shape, live, near):
            np.add.at(whole, taken[0], contribution.reshape(-1)[rows])
    else:
        signs = trace.signs(op.output)
        delta = trace.delta(op.inputs[0])
        for rows, taken, weights in _fields(shape, np.flatnonzero(signs), near):
            fields = np.stack([delta[place] * weight for place, weight in zip(taken, weights, strict=True)], axis=1)
            back = np.zeros(fields.shape, np.int32)
            trace.kernels.rows(np.ascontiguousarray(fields, np.float32), signs.reshape(-1)[rows], back, trace.numbers)
            for column, place in enumerate(taken):
                np.add.at(whole, place, back[:, column])
    trace.give(op.inputs[0], whole)


def _fields(
    shape: tuple[int, ...], live: np.ndarray, near: list[Near]
) -> Iterator[tuple[np.ndarray, list[Any], list[Any]]]:
    """Yield the live neurons grouped by number of predecessors: their indices, and each predecessor with its weight."""
    sample, channel, *at = np.unravel_index(live, shape)
    counts = [of[index] for (of, _, _), index in zip(near, at, strict=True)]
    for wanted in product(*(np.unique(count).tolist() for count in counts)):
        part = np.logical_and.reduce([count == size for count, size in zip(counts, wanted, strict=True)])
        taken, weighed = [], []
        for chosen in product(*map(range, wanted)):
            axes = list(zip(near, (index[part] for index in at), chosen, strict=True))
            taken.append((sample[part], channel[part], *(places[index, k] for (_, places, _), index, k in axes)))
            weighed.append(np.prod([weights[index, k] for (_, _, weights), index, k in axes], axis=0, dtype=np.float32))
        if part.any() and taken:
            yield live[part], taken, weighed


def _scales(op: Op, trace: Trace, rank: int) -> list[float | None]:
    """Return the given factors by axis; None: they follow from the sizes."""
    if len(op.inputs) < 3 or not op.inputs[2]:
        return [None] * rank
    return [float(scale) for scale in trace.value(op.inputs[2])] or [None] * rank


@cache
def _neighbours(into: int, out: int, scale: float | None, settings: Settings) -> Near:
    """Return for each output position along an axis its number of inputs [out], their indices and weights [out, K].

    ONNX Runtime resizes each unit vector, which by definition gives the weights in any mode.
    """
    real = TensorProto.FLOAT
    sizes = helper.make_tensor("given", TensorProto.INT64, [4], [into, 1, out, 1])
    inputs = ["x", "", "", "given"] if scale is None else ["x", "", "given"]
    node = helper.make_node("Resize", inputs, ["y"], **dict(settings))
    graph = helper.make_graph(
        [node],
        "resize",
        [helper.make_tensor_value_info("x", real, [into, 1, into, 1])],
        [helper.make_tensor_value_info("y", real, [into, 1, out, 1])],
        [sizes if scale is None else helper.make_tensor("given", real, [4], [1, 1, scale, 1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(model)
    unit = np.eye(into, dtype=np.float32)[:, None, :, None]
    weights = open_session(model.SerializeToString(), level="none").runtime.run(None, {"x": unit})[0][:, 0, :, 0].T
    counts = np.count_nonzero(weights, axis=1)
    places = np.argsort(weights == 0, axis=1, kind="stable")[:, : max(1, int(counts.max()))]
    return counts, places, np.take_along_axis(weights, places, axis=1)


RESIZING = {"Resize": Rule(_resized, values=lambda op: op.controls, deltas=_ends)}
