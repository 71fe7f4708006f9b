"""Slices of single inputs as feature vectors: the contribution of each channel, or weight, of chosen layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from hubslice.core.batching import Batches
from hubslice.graph.session import open_session
from hubslice.tracing.axes import channel_axes
from hubslice.tracing.engine import Samples, fitting
from hubslice.tracing.means import Means
from hubslice.tracing.network import Forward, Network, with_outputs
from hubslice.tracing.op import Op
from hubslice.tracing.selection import Selection
from hubslice.tracing.trace import BatchTrace

# signed: opposite signs cancel; absolute: how often a channel was used at all; synapses: each weight, signed.
Shape = Literal["signed", "absolute", "synapses"]


def tail(network: Network, layers: Sequence[str]) -> Network:
    """Return the network from the earliest of these operators on: earlier ones need neither tracing nor means."""
    ops = network.flow.ops
    first = min(at for at, op in enumerate(ops) if op.name in layers)
    return replace(network, flow=replace(network.flow, ops=ops[first:], earlier=ops[:first]))


def answers_of(
    network: Network, samples: Samples, *, device: str = "cpu", progress: Callable[[int], None] = lambda done: None
) -> np.ndarray:
    """Return the index of the largest logit for each sample, int64 [N], in a forward pass that keeps nothing else.

    Raises:
        ExplainError: the graph cannot run on the samples.
        MemoryShortError: a single sample does not fit into memory.
        ProviderError: `device` cannot be used.
    """
    name = network.flow.output
    forward = Forward(open_session(with_outputs(network.model, [name]).SerializeToString(), device), (name,))

    def ask(start: int, stop: int) -> np.ndarray:
        logits = forward(samples.batch(start, stop))[name].reshape(stop - start, -1)
        progress(stop - start)
        found: np.ndarray = logits.argmax(axis=1)
        return found

    return np.concatenate(list(Batches(fitting(network.flow, 1)).over(0, len(samples), ask)))


def trace_each(
    network: Network,
    samples: Samples,
    means: Means,
    selection: Selection,
    layers: Sequence[str],
    *,
    shape: Shape = "absolute",
    device: str = "cpu",
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Trace each sample back from its prediction: logits [N, classes], and float32 vectors [N, F] of these operators.

    Contributions of neurons are summed over positions, F = channels of all layers. Synapses need a backward pass for
    each sample, since the kernels sum weights over a batch; F = weights of all layers.

    Raises:
        ExplainError: values are not finite, or the graph cannot run on the samples.
        MemoryShortError: a single sample does not fit into memory.
        ProviderError: `device` cannot be used.
    """
    flow = network.flow
    forward = network.open(device)
    axes = channel_axes(flow)
    chosen = [op for op in flow.layers if op.name in layers]
    neurons = {} if shape == "synapses" else {op.output: op for op in chosen}
    widths = {op.name: _width(op, flow.shapes.two[op.output][max(axes[op.output])], shape) for op in chosen}

    def back(start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        values = forward(samples.batch(start, stop))
        answers = values[flow.output].reshape(stop - start, -1)
        # A layer without contributions has zeros.
        found = {name: np.zeros((stop - start, width), np.float32) for name, width in widths.items()}

        def watch(name: str, contribution: np.ndarray) -> None:
            if name in neurons:
                found[neurons[name].name] = _summed(contribution, max(axes[name]), stop - start, shape)

        def use(op: Op, contribution: np.ndarray) -> None:
            if op.name in found:
                found[op.name] = contribution.reshape(1, -1).astype(np.float32)

        traced = BatchTrace(flow, values, means, selection, use if shape == "synapses" else None, device)
        traced.run(answers.argmax(axis=1), watch)
        return answers, np.concatenate([found[op.name] for op in chosen], axis=1)

    logits, vectors = [], []
    for answers, found in Batches(1 if shape == "synapses" else fitting(flow, 1)).over(0, len(samples), back):
        logits.append(answers)
        vectors.append(found)
        progress(len(answers))
    return np.concatenate(logits), np.concatenate(vectors)


def _width(op: Op, channels: int, shape: Shape) -> int:
    return int(op.constants[op.inputs[1]].size) if shape == "synapses" else channels


def _summed(contribution: np.ndarray, axis: int, samples: int, shape: Shape) -> np.ndarray:
    """Sum the contributions of a tensor over everything but its samples and channels: float32 [N, C]."""
    moved = np.moveaxis(contribution, axis, -1)
    each = moved.reshape(samples, -1, moved.shape[-1])
    total: np.ndarray = (np.abs(each) if shape == "absolute" else each).sum(axis=1).astype(np.float32)
    return total
