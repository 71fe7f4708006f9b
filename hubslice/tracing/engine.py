"""Compute slices of many samples: the forward pass fills a bounded queue, and workers trace its batches back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Queue
from typing import Protocol

import numpy as np
import psutil

from hubslice.core.batching import Batches
from hubslice.core.errors import ExplainError
from hubslice.tracing.axes import channel_axes
from hubslice.tracing.flow import Flow
from hubslice.tracing.means import Means
from hubslice.tracing.network import Arrays, Network
from hubslice.tracing.op import Op, Shapes
from hubslice.tracing.selection import Selection
from hubslice.tracing.trace import BatchTrace

LARGEST = 16  # samples: larger batches save little
PARTS = 8  # minimum number of batches, if there are enough samples, so that all workers are busy
SHARE = 0.4  # of the free memory
COPIES = 4  # of every tensor, in the worst case: value, deviation, contribution, in another layout
TOP = 4  # channels of a layer and sample whose places are kept


class Samples(Protocol):
    """Samples in a fixed order."""

    def __len__(self) -> int: ...

    def batch(self, start: int, stop: int) -> Arrays:
        """Return samples `start` to `stop` as arrays [stop - start, ...] by graph input name."""


@dataclass(frozen=True)
class LayerTrace:
    """Contributions of the output neurons of a layer, for each sample.

    `channels` int32 [N, C] is summed over positions; `live` [N] is the number of positions of channels with a
    contribution, of `total`. A neuron's *force* is its contribution times the size of its deviation: contributions are
    counts, and a large count means little for a neuron that hardly deviates. `speaking` and `opposing` float32 [N, C]
    are the positive and negative forces, summed over positions. `places` float32 [N, positions], or [N, h, w] for
    images, are the positive ones summed over channels: where the layer looks. `top` [N, K] are the channels with the
    largest positive force and `top_places` [N, K, ...] where each of them looks.
    """

    channels: np.ndarray
    speaking: np.ndarray
    opposing: np.ndarray
    live: np.ndarray
    total: int
    places: np.ndarray
    top: np.ndarray
    top_places: np.ndarray


@dataclass
class Traced:
    """The result for N samples: `layers` by operator, `leaves` int32 [N, ...] by input or embedding.

    `synapses` int64 by operator, summed over all samples, in the shape of the weight operand; `magnitudes` likewise,
    but with the absolute value of each sample's contribution, so that samples cannot cancel each other.
    """

    logits: np.ndarray
    targets: np.ndarray
    layers: dict[str, LayerTrace] = field(default_factory=dict)
    leaves: dict[str, np.ndarray] = field(default_factory=dict)
    synapses: dict[str, np.ndarray] = field(default_factory=dict)
    magnitudes: dict[str, np.ndarray] = field(default_factory=dict)


def trace(
    network: Network,
    samples: Samples,
    means: Means,
    selection: Selection,
    *,
    target: int | np.ndarray | None = None,
    neurons: bool = True,
    synapses: bool = True,
    magnitudes: bool = False,
    workers: int = 1,
    batch_size: int | None = None,
    device: str = "cpu",
    threads: int | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Traced:
    """Trace each sample back from output `target`, or from the largest output.

    `target` may be an array with one for each sample [N]; -1 means the largest. `neurons`, `synapses` and `magnitudes`
    select what is kept; magnitudes require samples to be traced one by one, which is slower. Contributions are
    integers, so they depend neither on the number of workers nor on the order of their work. A batch that does not fit
    into memory is halved, forward or backward. `progress` is called with the number of samples done.

    Raises:
        ExplainError: there are no samples, values are not finite, or the graph cannot run on them.
        MemoryShortError: a single sample does not fit into memory.
        ProviderError: `device` cannot be used.
    """
    count = len(samples)
    if count == 0:
        raise ExplainError("there is nothing to explain: no samples")
    size = batch_size or min(fitting(network.flow, workers), max(1, count // PARTS))
    forward = network.open(device, threads)
    wanted = np.broadcast_to(-1 if target is None else target, count)
    work = _Work(network.flow, means, selection, wanted, _Kept(neurons, synapses, magnitudes), device, progress)
    queue: Queue[dict[str, np.ndarray] | None] = Queue(maxsize=workers)
    crew = [threading.Thread(target=work.serve, args=(queue,), daemon=True) for _ in range(workers)]
    for thread in crew:
        thread.start()
    try:
        for start, values in Batches(size).over(0, count, lambda a, b: (a, forward(samples.batch(a, b)))):
            if work.trouble:
                break
            queue.put(values | {"": np.array(start)})
    finally:
        for _ in crew:
            queue.put(None)
        for thread in crew:
            thread.join()
    if work.trouble:
        raise work.trouble[0]
    return work.result()


def fitting(flow: Flow, workers: int) -> int:
    """Return the batch size that fits: each worker holds one batch, one per worker waits, one is being computed."""
    sizes = (int(np.prod(flow.shapes.at(name, 1), dtype=np.int64)) for name in (*flow.values, *flow.leaves))
    needed = 4 * COPIES * sum(sizes) * (2 * workers + 1)
    return int(np.clip(SHARE * psutil.virtual_memory().available / max(1, needed), 1, LARGEST))


@dataclass(frozen=True)
class _Kept:
    """What a trace is to return."""

    neurons: bool
    synapses: bool
    magnitudes: bool


class _Work:
    """State shared by workers: the results, and the first error."""

    def __init__(
        self,
        flow: Flow,
        means: Means,
        selection: Selection,
        targets: np.ndarray,
        kept: _Kept,
        device: str,
        progress: Callable[[int], None],
    ) -> None:
        self.trouble: list[Exception] = []
        self._flow, self._means, self._selection = flow, means, selection
        self._targets, self._kept, self._device, self._progress = targets, kept, device, progress
        self._axes = channel_axes(flow)
        self._layers = {op.output: op for op in flow.layers}
        self._lock = threading.Lock()
        self._parts: dict[int, Traced] = {}
        self._synapses: dict[str, np.ndarray] = {}
        self._magnitudes: dict[str, np.ndarray] = {}

    def serve(self, queue: Queue[dict[str, np.ndarray] | None]) -> None:
        """Trace batches from the queue until None arrives.

        After an error the queue is emptied, so that nobody blocks.
        """
        while (values := queue.get()) is not None:
            if self.trouble:
                continue
            try:
                self._trace(values)
            except Exception as error:  # raised again in the thread that waits for the result
                self.trouble.append(error)

    def _trace(self, values: dict[str, np.ndarray]) -> None:
        first = int(values.pop(""))
        count = len(values[self._flow.output])
        size = 1 if self._kept.magnitudes else count
        for start, part in Batches(size).over(0, count, lambda a, b: (a, self._part(values, first, a, b))):
            with self._lock:
                self._parts[first + start] = part
                for name, found in part.synapses.items():
                    if self._kept.synapses:
                        _add(self._synapses, name, found)
                    if self._kept.magnitudes:
                        _add(self._magnitudes, name, np.abs(found))
                part.synapses.clear()
            self._progress(len(part.targets))

    def _part(self, values: dict[str, np.ndarray], first: int, start: int, stop: int) -> Traced:
        values = {name: _rows(array, self._flow.shapes, name, start, stop) for name, array in values.items()}
        logits = values[self._flow.output].reshape(stop - start, -1)
        wanted = self._targets[first + start : first + stop]
        targets = np.where(wanted < 0, logits.argmax(axis=1), wanted)
        part = Traced(logits, targets)

        def watch(name: str, contribution: np.ndarray) -> None:
            if name in self._flow.leaves:
                part.leaves[name] = contribution.copy()
            elif name in self._layers:
                part.layers[self._layers[name].name] = _summary(
                    contribution, traced.delta(name), self._axes[name], stop - start
                )

        def use(op: Op, contribution: np.ndarray) -> None:
            part.synapses[op.name] = contribution

        synapses = self._kept.synapses or self._kept.magnitudes
        traced = BatchTrace(self._flow, values, self._means, self._selection, use if synapses else None, self._device)
        traced.run(targets, watch if self._kept.neurons else lambda name, contribution: None)
        return part

    def result(self) -> Traced:
        """Return all parts in the samples' order. A layer without contributions has zeros."""
        parts = [self._parts[start] for start in sorted(self._parts)]
        whole = Traced(np.concatenate([p.logits for p in parts]), np.concatenate([p.targets for p in parts]))
        for op in self._flow.layers:
            shape = op.constants[op.inputs[1]].shape
            if self._kept.synapses:
                whole.synapses[op.name] = self._synapses.get(op.name, np.zeros(shape, np.int64))
            if self._kept.magnitudes:
                whole.magnitudes[op.name] = self._magnitudes.get(op.name, np.zeros(shape, np.int64))
            if not self._kept.neurons:
                continue
            found = [p.layers.get(op.name) or self._nothing(op, len(p.targets)) for p in parts]
            whole.layers[op.name] = LayerTrace(
                channels=np.concatenate([f.channels for f in found]),
                speaking=np.concatenate([f.speaking for f in found]),
                opposing=np.concatenate([f.opposing for f in found]),
                live=np.concatenate([f.live for f in found]),
                total=found[0].total,
                places=np.concatenate([f.places for f in found]),
                top=np.concatenate([f.top for f in found]),
                top_places=np.concatenate([f.top_places for f in found]),
            )
        for name in self._flow.leaves if self._kept.neurons else ():
            whole.leaves[name] = np.concatenate([p.leaves[name] for p in parts])
        return whole

    def _nothing(self, op: Op, samples: int) -> LayerTrace:
        nothing = np.zeros(self._flow.shapes.at(op.output, samples), np.int32)
        return _summary(nothing, nothing, self._axes[op.output], samples)


def _add(totals: dict[str, np.ndarray], name: str, found: np.ndarray) -> None:
    if name in totals:
        totals[name] += found
    else:
        totals[name] = found.astype(np.int64)


def _rows(array: np.ndarray, shapes: Shapes, name: str, start: int, stop: int) -> np.ndarray:
    repeats = shapes.repeats(name)
    return array if repeats is None else array[start * repeats : stop * repeats]


def _summary(contribution: np.ndarray, delta: np.ndarray, axes: frozenset[int], samples: int) -> LayerTrace:
    """Summarise contributions of a tensor whose last channel axis has its neurons; rows are ordered by sample."""
    axis = max(axes)
    moved = np.moveaxis(contribution, axis, -1)
    spatial = moved.shape[1:-1] if len(moved) == samples else (-1,)
    each = moved.reshape(samples, -1, moved.shape[-1])  # [N, positions, C]
    force = each * np.abs(np.moveaxis(delta, axis, -1).reshape(each.shape), dtype=np.float32)
    looks = np.maximum(force, 0)
    speaking = looks.sum(axis=1, dtype=np.float32)
    top = np.argsort(-speaking, axis=1, kind="stable")[:, :TOP]
    best = np.take_along_axis(looks, top[:, None, :], axis=2).swapaxes(1, 2)
    return LayerTrace(
        each.sum(axis=1, dtype=np.int32),
        speaking,
        np.minimum(force, 0).sum(axis=1, dtype=np.float32),
        np.count_nonzero(each, axis=(1, 2)),
        each[0].size,
        looks.sum(axis=2, dtype=np.float32).reshape(samples, *(spatial or (1,))),
        top,
        np.ascontiguousarray(best, np.float32).reshape(samples, top.shape[1], *(spatial or (1,))),
    )
