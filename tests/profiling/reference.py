"""Coverage the slow, obvious way: one sample at a time, whole scaled tensors, loops (methods of the ReMoS code)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from hubslice.artefacts.profile import Criterion
from hubslice.graph.session import open_session
from tests.graph.architectures import Exported

Arrays = dict[str, np.ndarray]


def active_channels(activation: np.ndarray, criterion: Criterion) -> list[bool]:
    """Of one sample's activation [channels, positions]: which channels are active."""
    means = [np.mean(channel, dtype=np.float64) for channel in activation]
    if criterion.name == "nc":
        low, high = activation.min(), activation.max()
        if low == high:
            return [False] * len(activation)
        scaled = (activation.astype(np.float64) - low) / (np.float64(high) - low)
        return [bool(np.mean(channel) > criterion.threshold) for channel in scaled]
    if criterion.name == "tknc":
        best = sorted(range(len(means)), key=lambda c: (-means[c], c))[: criterion.k]
        return [c in best for c in range(len(means))]
    limit = max(means) - (max(means) - min(means)) / criterion.k
    return [mean > limit for mean in means]


def counts(case: Exported, inputs: Arrays, criteria: Sequence[Criterion]) -> list[dict[str, np.ndarray]]:
    """For each criterion the counts [C] by key; each sample runs on its own, so all rows of a tensor belong to it."""
    model = onnx.load(case.path)
    tensors = case.neurons.tensors
    present = {value.name for value in [*model.graph.input, *model.graph.output]}
    for name in dict.fromkeys(tensor.name for tensor in tensors):
        if name not in present:
            model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    session = open_session(model.SerializeToString())
    outputs = [value.name for value in model.graph.output]
    results = [{tensor.key: np.zeros(tensor.channels, np.int64) for tensor in tensors} for _ in criteria]
    for i in range(len(next(iter(inputs.values())))):
        feed = {name: array[i : i + 1] for name, array in inputs.items()}
        activations = {**feed, **dict(zip(outputs, session.runtime.run(outputs, feed), strict=True))}
        for tensor in tensors:
            activation = np.moveaxis(activations[tensor.name], tensor.channel_axis, 0).reshape(tensor.channels, -1)
            for criterion, result in zip(criteria, results, strict=True):
                result[tensor.key] += np.array(active_channels(activation, criterion), np.int64)
    return results
