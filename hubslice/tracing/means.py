"""The profile of dynamic slicing: the mean of every neuron, in one pass over the data, reduced inside the graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import onnx
from onnx import helper, numpy_helper

from hubslice.core.errors import ExplainError
from hubslice.core.paths import AnyPath
from hubslice.files.sealed import read_sealed, write_sealed
from hubslice.graph.session import open_session
from hubslice.tracing.axes import channel_axes
from hubslice.tracing.network import Arrays, Network, run_session
from hubslice.tracing.op import Shapes

KIND = "means"
Neuron = Literal["channel", "element"]
ALL = 0  # the row of a table of means that covers all classes


@dataclass(frozen=True)
class Means:
    """Means by tensor, float32 [K, R, ...].

    R rows of the tensor's first axis belong to one sample; axes that were averaged over have size 1. Row 0 of K is over
    all samples, row k over those of class `classes[k - 1]`. `model` is the hash of the folded graph, `data` describes
    what was averaged.
    """

    tables: Mapping[str, np.ndarray]
    neuron: Neuron
    classes: tuple[int, ...]
    samples: int
    model: str
    data: str

    def zeros(self) -> Means:
        """Return means of zero, so that deviations are the values themselves."""
        return replace(self, tables={name: np.zeros_like(table) for name, table in self.tables.items()}, data="zero")

    def rows(self, predicted: np.ndarray) -> np.ndarray:
        """Return the tables' row for each sample, by its predicted class [N]; classes without samples use row 0."""
        known = {label: row for row, label in enumerate(self.classes, 1)}
        return np.array([known.get(int(label), ALL) for label in predicted], np.int64)

    def of(self, name: str, rows: np.ndarray, shapes: Shapes) -> np.ndarray:
        """Return the means of a tensor for samples with these `rows` [N], broadcastable to its shape."""
        table = self.tables[name]
        if not rows.any():
            mean = table[ALL]
            repeats = shapes.repeats(name) or 1
            return (
                mean
                if mean.shape[0] in {1, repeats * len(rows)}
                else np.tile(mean, (len(rows), *[1] * (mean.ndim - 1)))
            )
        chosen = table[rows]
        return (
            np.repeat(chosen[:, 0], shapes.repeats(name) or 1, axis=0)
            if chosen.shape[1] == 1
            else np.concatenate(chosen)
        )

    def save(self, path: AnyPath) -> None:
        """Write as safetensors."""
        about = {
            "neuron": self.neuron,
            "classes": list(self.classes),
            "samples": self.samples,
            "model": self.model,
            "data": self.data,
        }
        write_sealed(path, KIND, about, self.tables)

    @classmethod
    def load(cls, path: AnyPath, network: Network) -> Means:
        """Read a file that `save` wrote.

        Raises:
            RunError: the file is missing, damaged or of another kind.
            ExplainError: the profile was made from another model.
        """
        found = read_sealed(
            path,
            KIND,
            lambda about, tables: cls(tables, **{**about, "classes": tuple(about["classes"])}),
            hint="name means.safetensors of an earlier `hubslice explain` with --data, or images in its place",
        )
        if found.model != network.hash:
            raise ExplainError(
                f"{path} is a profile of another model: its hash begins with {found.model[:12]}, this model's with "
                f"{network.hash[:12]}",
                hint="make one of this model: give images with --data in place of the file",
            )
        return found


def take_means(
    network: Network,
    groups: Mapping[int, Iterable[Arrays]],
    *,
    neuron: Neuron = "channel",
    data: str = "",
    device: str = "cpu",
    threads: int | None = None,
) -> Means:
    """Average every tensor whose deviations the rules need.

    `groups` are batches [N, ...] by input name, by the class of their samples; one group means no classes. Only means
    leave the graph.

    Raises:
        ExplainError: there are no samples, or values are not finite.
        ProviderError: `device` cannot be used.
    """
    names = network.flow.deltas
    session = open_session(_reducing(network, names, neuron).SerializeToString(), device, threads=threads)
    outputs = [f"{name}:mean" for name in names]
    totals: dict[int, dict[str, np.ndarray]] = {}
    counts: dict[int, int] = {}
    for label, batches in groups.items():
        for batch in batches:
            size = len(next(iter(batch.values())))
            found = run_session(session, outputs, batch)
            sums = totals.setdefault(label, {name: np.zeros(found[f"{name}:mean"].shape) for name in names})
            for name in names:
                sums[name] += size * found[f"{name}:mean"].astype(np.float64)
            counts[label] = counts.get(label, 0) + size
    if not counts:
        raise ExplainError("there are no samples to take means of", hint="give images with --data")
    labels = tuple(sorted(counts)) if len(counts) > 1 else ()
    total = sum(counts.values())
    tables = {}
    for name in names:
        rows = [sum(totals[label][name] for label in counts) / total]
        rows += [totals[label][name] / counts[label] for label in labels]
        tables[name] = np.stack(rows).astype(np.float32)
        if not np.isfinite(tables[name]).all():
            raise ExplainError(
                f"the model computes values that are not finite numbers on the data: the mean of {name} is not finite",
                hint="its weights or the data are damaged; leave out what is not ordinary input",
            )
    return Means(tables, neuron, labels, total, network.hash, data)


def _reducing(network: Network, names: Sequence[str], neuron: Neuron) -> Any:
    """Return the graph with means [R, ...] over the batch as its only outputs."""
    shapes, axes = network.flow.shapes, channel_axes(network.flow)
    model = onnx.ModelProto()
    model.CopyFrom(network.model)
    graph = model.graph
    del graph.output[:]
    for name in names:
        rank, repeats = len(shapes.two[name]), shapes.repeats(name) or 1
        source, over = name, [0]
        if neuron == "channel":
            over = [axis for axis in range(rank) if axis == 0 or axis not in axes[name]]
        elif repeats > 1:  # one mean for each of a sample's rows
            source = f"{name}:rows"
            _add(graph, "Reshape", [name], source, np.array([-1, repeats, *shapes.two[name][1:]], np.int64))
        keep = neuron == "channel" or repeats == 1
        _add(graph, "ReduceMean", [source], f"{name}:mean", np.array(over, np.int64), keepdims=int(keep))
        graph.output.append(onnx.ValueInfoProto(name=f"{name}:mean"))
    return model


def _add(graph: Any, kind: str, inputs: list[str], output: str, numbers: np.ndarray, **options: int) -> None:
    graph.initializer.append(numpy_helper.from_array(numbers, f"{output}:numbers"))
    graph.node.append(helper.make_node(kind, [*inputs, f"{output}:numbers"], [output], name=output, **options))
