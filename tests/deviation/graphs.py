"""ONNX classifiers of the mean colours of an image, made without any exporter."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hubslice.artefacts.model import Preprocessing

SIDE = 16
COLOURS = ("red", "green", "blue")
# Classes by colours: the second model needs a tenth more green.
ALIKE = 8 * np.eye(3, dtype=np.float32)
GREENER = (ALIKE * np.array([1, 0.9, 1], np.float32)[:, None]).astype(np.float32)


def write_graph(
    path: Path,
    weight: np.ndarray = ALIKE,
    *,
    labels: tuple[str, ...] = COLOURS,
    side: int = SIDE,
    softmax: bool = False,
    described: bool = True,
    fault: str | None = None,
    batch: int | None = None,
) -> Path:
    """A graph whose logits are `weight` [classes, channels] times the mean of each channel.

    `fault`: `nan` gives NaN, and `crash` fails, on images whose first channel is light in the mean, above 0.8.
    """
    channels = weight.shape[1]
    nodes = [
        helper.make_node("GlobalAveragePool", ["pixels"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["means"]),
        helper.make_node("MatMul", ["means", "weight"], ["plain"]),
        helper.make_node("Slice", ["means", "start", "end", "axis"], ["first"]),
        helper.make_node("Sub", ["limit", "first"], ["room"]),
    ]
    if fault == "nan":
        nodes += [helper.make_node("Sqrt", ["room"], ["root"]), helper.make_node("Mul", ["root", "nothing"], ["zeros"])]
    elif fault == "crash":  # an index out of range where there is no room
        nodes += [
            helper.make_node("Less", ["room", "nothing"], ["light"]),
            helper.make_node("Cast", ["light"], ["index"], to=TensorProto.INT64),
            helper.make_node("Gather", ["nothing", "index"], ["zeros"]),
        ]
    else:
        nodes += [helper.make_node("Mul", ["room", "nothing"], ["zeros"])]
    nodes += [helper.make_node("Add", ["plain", "zeros"], ["logits"])]
    if softmax:
        nodes += [helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1)]
    output = "probabilities" if softmax else "logits"
    constants = {
        "weight": weight.T.astype(np.float32),
        "start": np.array([0]),
        "end": np.array([1]),
        "axis": np.array([1]),
        "limit": np.array([[0.8]], np.float32),
        "nothing": np.array([0.0], np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [batch or "n", channels, side, side])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [batch or "n", len(weight)])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    if described:
        preprocessing = Preprocessing(
            input_size=(channels, side, side),
            mean=(0.0,),
            std=(1.0,),
            interpolation="bilinear",
            crop_pct=1.0,
            resize="shortest",
        )
        about = {"labels": json.dumps(labels), "preprocessing": preprocessing.model_dump_json()}
        helper.set_model_props(model, about)
    onnx.save(model, path)
    return path


def mixed(count: int, seed: int = 0) -> np.ndarray:
    """Noisy images, float32 [count, 3, SIDE, SIDE] in [0, 1]; of every other one green is just enough for GREENER."""
    rng = np.random.default_rng(seed)
    means = rng.uniform(0.25, 0.5, (count, 3, 1, 1))
    means[::2, 1] = means[::2, 0] / 0.9 + rng.uniform(0.002, 0.008, means[::2, 0].shape)
    means[::2, 2] = 0.2
    noise = rng.uniform(-0.2, 0.2, (count, 3, SIDE, SIDE))
    noise -= noise.mean(axis=(2, 3), keepdims=True)
    return np.round(np.clip(means + noise, 0, 1) * 255).astype(np.float32) / 255
