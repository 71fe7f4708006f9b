"""NNSlicer the slow, obvious way: one sample, one neuron, one predecessor at a time, in Python loops."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from onnx import helper, numpy_helper

from hubslice.tracing.selection import Selection

Index = tuple[int, ...]
Neuron = tuple[str, Index]
# A predecessor: which neuron, its local contribution, and which weight joins it (None: none).
Predecessor = tuple[Neuron, np.float32, Index | None]

SAME = {"Relu", "Sigmoid", "Identity", "LayerNormalization", "Softmax", "Tanh"}


def select(field: list[np.float32], selection: Selection) -> list[int]:
    """The sign of each selected local contribution, 0 for the others."""
    sign = [int(np.sign(c)) for c in field]
    if selection.rule == "threshold":
        limit = np.float32(selection.theta) * max(abs(c) for c in field)
        return [s if abs(c) >= limit else 0 for c, s in zip(field, sign, strict=True)]
    if selection.rule == "path":
        chosen, so_far, whole = [0] * len(field), 0.0, sum(float(c) for c in field)
        order = sorted(range(len(field)), key=lambda i: -field[i])
        for i in order:
            if chosen.count(1) and (whole <= 0 or so_far >= float(np.float32(selection.theta)) * whole):
                break
            chosen[i], so_far = 1, so_far + float(field[i])
        return chosen
    if len(field) == 1:
        return sign
    numbers = [float(c) for c in field]
    total = 0.0
    for number in numbers:
        total += number
    sizes = [abs(number) for number in numbers]
    if abs(total) < min(sizes) or abs(total) < 1e-3 * max(sizes):
        return [0] * len(field)
    order = sorted(range(len(field)), key=lambda i: (-sizes[i], i))
    prefix = 0.0
    for last in order:
        prefix += numbers[last]
        if abs(prefix - total) < selection.eps * abs(total):
            break
    return [s if size > (1 - selection.bar) * sizes[last] else 0 for size, s in zip(sizes, sign, strict=True)]


class Reference:
    """One sample of a folded graph: `values` and `means` by tensor name, [1, ...] each."""

    def __init__(self, model: Any, values: Mapping[str, np.ndarray], means: Mapping[str, np.ndarray]) -> None:
        self.nodes = list(model.graph.node)
        self.constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self.values = values
        self.means = means
        self.output = model.graph.output[0].name

    def trace(self, target: int, selection: Selection) -> tuple[dict[Neuron, int], dict[tuple[str, Index], int]]:
        contrib: dict[Neuron, int] = defaultdict(int)
        synapses: dict[tuple[str, Index], int] = defaultdict(int)
        contrib[self.output, (0, target)] = 1
        for node in reversed(self.nodes):
            name = node.output[0]
            for index in np.ndindex(self.values[name].shape):
                own = contrib[name, index]
                if own == 0:
                    continue
                passed = list(self.passed(node, index))
                for neuron in passed:
                    contrib[neuron] += own
                if passed:
                    continue
                field = list(self.field(node, index))
                change = float(self.delta(name, index))
                signs = select([c for _, c, _ in field], selection)
                for (neuron, _, weight), sign in zip(field, signs, strict=True):
                    local = int(np.sign(own)) * int(np.sign(change)) * sign
                    local = local if selection.cancel else abs(local)
                    contrib[neuron] += local
                    if weight is not None:
                        synapses[node.name, weight] += local
        return contrib, synapses

    def is_linear(self, node: Any) -> bool:
        return node.input[1] in self.constants and self.constants[node.input[1]].ndim == 2

    def delta(self, name: str, index: Index) -> np.float32:
        if name in self.constants:
            return np.float32(0)
        mean = np.broadcast_to(self.means[name], self.values[name].shape)
        return np.float32(self.values[name][index] - mean[index])

    def middle(self, name: str, index: Index) -> np.float32:
        if name in self.constants:
            return np.float32(self.constants[name][index])
        mean = np.broadcast_to(self.means[name], self.values[name].shape)
        return (self.values[name][index] + mean[index]) * np.float32(0.5)

    def passed(self, node: Any, index: Index) -> Iterator[Neuron]:
        """Predecessors that get the contribution as it is."""
        source = node.input[0]
        if node.op_type in SAME:
            yield source, index
        elif node.op_type == "MaxPool":
            top = self.values[node.output[0]][index]
            for place in self.window(node, index):
                if self.values[source][place] == top:
                    yield source, place
        elif node.op_type in {"Reshape", "Flatten"}:
            flat = np.ravel_multi_index(index, self.values[node.output[0]].shape)
            yield source, tuple(int(i) for i in np.unravel_index(flat, self.values[source].shape))
        elif node.op_type == "Transpose":
            order = option(node, "perm", None)
            place = [0] * len(index)
            for at, axis in enumerate(order):
                place[axis] = index[at]
            yield source, tuple(place)
        elif node.op_type == "GatherND":
            places = self.constants[node.input[1]]
            deep = places.ndim - 1
            yield source, (*(int(i) for i in places[index[:deep]]), *index[deep:])
        elif node.op_type == "ScatterND":
            places = self.constants[node.input[1]]
            deep = places.shape[-1]
            written = {tuple(places[at].tolist()): at for at in np.ndindex(places.shape[:-1])}
            at = written.get(tuple(index[:deep]))
            yield (source, index) if at is None else (node.input[2], (*at, *index[deep:]))
        elif node.op_type == "Tile":
            shape = self.values[source].shape
            yield source, tuple(i % size for i, size in zip(index, shape, strict=True))
        elif node.op_type == "Pad":
            shape = self.values[source].shape
            pads = self.constants[node.input[1]].reshape(2, -1).T.tolist()
            numbers = np.pad(np.arange(np.prod(shape)).reshape(shape), pads, mode=option(node, "mode", b"").decode())
            yield source, tuple(int(i) for i in np.unravel_index(numbers[index], shape))
        elif node.op_type == "Col2Im" and self.constants[node.input[2]].tolist() == option(node, "strides", None):
            high, wide = self.constants[node.input[2]].tolist()
            n, c, y, x = index
            columns = self.values[node.output[0]].shape[3] // wide
            row = (c * high + y % high) * wide + x % wide
            yield source, (n, row, (y // high) * columns + x // wide)
        elif node.op_type == "Concat":
            axis, at = option(node, "axis", 0), index[option(node, "axis", 0)]
            for name in node.input:
                if at < self.values[name].shape[axis]:
                    yield name, (*index[:axis], at, *index[axis + 1 :])
                    return
                at -= self.values[name].shape[axis]
        elif node.op_type == "Mul" and self.swish(node):  # one function of one element, in two nodes
            yield node.input[0], index
        elif node.op_type == "Div" and np.prod(self.values[node.input[1]].shape) < np.prod(self.values[source].shape):
            yield source, index
        elif node.op_type in {"ReduceMax", "ReduceMin"}:
            best = self.values[node.output[0]][index]
            for place in self.reduced(node, index):
                if self.values[source][place] == best:
                    yield source, place
        elif node.op_type in {"Add", "Mul"}:
            live = [name for name in node.input if name not in self.constants]
            if len(live) == 1:
                yield live[0], self.stretched(live[0], index)

    def swish(self, node: Any) -> bool:
        return any(
            other.op_type == "Sigmoid" and [other.input[0], other.output[0]] == node.input for other in self.nodes
        )

    def window(self, node: Any, index: Index, rank: int = 2) -> Iterator[Index]:
        """Places of the input under a kernel, those in the padding left out."""
        n, c, p, q = index
        height, width = self.values[node.input[0]].shape[2:]
        kernel = option(node, "kernel_shape", None)
        strides, pads = option(node, "strides", [1, 1]), option(node, "pads", [0] * 4)
        dilations = option(node, "dilations", [1, 1])
        for ky in range(kernel[0]):
            for kx in range(kernel[1]):
                y = p * strides[0] - pads[0] + ky * dilations[0]
                x = q * strides[1] - pads[1] + kx * dilations[1]
                if 0 <= y < height and 0 <= x < width:
                    yield n, c, y, x

    def reduced(self, node: Any, index: Index) -> Iterator[Index]:
        """Places of the input that go into one element of a reduction."""
        shape = self.values[node.input[0]].shape
        axes = [axis % len(shape) for axis in self.constants[node.input[1]].tolist()]
        kept = [i for at, i in enumerate(index) if at not in axes or not option(node, "keepdims", 1)]
        fixed = dict(zip([at for at in range(len(shape)) if at not in axes], kept, strict=True))
        for place in np.ndindex(shape):
            if all(place[at] == i for at, i in fixed.items()):
                yield place

    def stretched(self, name: str, index: Index) -> Index:
        """Where a broadcast input was read."""
        shape = self.values[name].shape
        return tuple(0 if size == 1 else i for i, size in zip(index[len(index) - len(shape) :], shape, strict=True))

    def field(self, node: Any, index: Index) -> Iterator[Predecessor]:
        source = node.input[0]
        if node.op_type == "Conv":
            yield from self.convolution(node, index)
        elif node.op_type == "ConvTranspose":
            yield from self.transposed(node, index)
        elif node.op_type == "Col2Im":
            yield from self.folded(node, index)
        elif node.op_type in {"Gemm", "MatMul"} and self.is_linear(node):
            weight = self.constants[node.input[1]]
            flipped = bool(option(node, "transB", 0))
            for i in range(self.values[source].shape[-1]):
                place = (index[-1], i) if flipped else (i, index[-1])
                at = (*index[:-1], i)
                yield (source, at), np.float32(self.delta(source, at) * weight[place]), place
        elif node.op_type == "MatMul":
            a, b = node.input
            ranks = [np.ndim(self.constants[name] if name in self.constants else self.values[name]) for name in (a, b)]
            size = (self.constants[a] if a in self.constants else self.values[a]).shape[-1]
            rows = [(*index[:-2], index[-2], k)[-ranks[0] :] for k in range(size)]
            columns = [(*index[:-2], k, index[-1])[-ranks[1] :] for k in range(size)]
            for row, column in zip(rows, columns, strict=True):
                yield (a, row), self.delta(a, row) * self.middle(b, column), None
            for row, column in zip(rows, columns, strict=True):
                yield (b, column), self.delta(b, column) * self.middle(a, row), None
        elif node.op_type == "Add":
            for name in node.input:
                place = self.stretched(name, index)
                yield (name, place), self.delta(name, place), None
        elif node.op_type == "Mul":
            for name, other in (node.input, reversed(node.input)):
                place, gate = self.stretched(name, index), self.stretched(other, index)
                yield (name, place), self.delta(name, place) * self.middle(other, gate), None
        elif node.op_type == "AveragePool":
            for place in self.window(node, index):
                yield (source, place), self.delta(source, place), None
        elif node.op_type == "Div":
            a, b = node.input
            one, half = np.float32(1), np.float32(0.5)
            mean = np.broadcast_to(self.means[b], self.values[b].shape)[index]
            now, usual = one / self.values[b][index], one / mean
            yield (a, index), self.delta(a, index) * ((now + usual) * half), None
            yield (b, index), (now - usual) * self.middle(a, index), None
        elif node.op_type == "ReduceMean":
            for place in self.reduced(node, index):
                yield (source, place), self.delta(source, place), None
        elif node.op_type == "ReduceL2":
            for place in self.reduced(node, index):
                both = (
                    self.values[source][place] + np.broadcast_to(self.means[source], self.values[source].shape)[place]
                )
                yield (source, place), self.delta(source, place) * both, None
        elif node.op_type == "ReduceL1":
            for place in self.reduced(node, index):
                mean = np.broadcast_to(self.means[source], self.values[source].shape)[place]
                yield (source, place), np.abs(self.values[source][place]) - np.abs(mean), None
        else:
            raise NotImplementedError(node.op_type)

    def convolution(self, node: Any, index: Index) -> Iterator[Predecessor]:
        weight = self.constants[node.input[1]]
        n, o, p, q = index
        groups = option(node, "group", 1)
        strides, pads = option(node, "strides", [1, 1]), option(node, "pads", [0] * 4)
        dilations = option(node, "dilations", [1, 1])
        height, width = self.values[node.input[0]].shape[2:]
        into = weight.shape[1]
        group = o // (len(weight) // groups)
        for ky in range(weight.shape[2]):
            for kx in range(weight.shape[3]):
                for i in range(into):
                    y = p * strides[0] - pads[0] + ky * dilations[0]
                    x = q * strides[1] - pads[1] + kx * dilations[1]
                    if 0 <= y < height and 0 <= x < width:
                        at = (n, group * into + i, y, x)
                        c = np.float32(self.delta(node.input[0], at) * weight[o, i, ky, kx])
                        yield (node.input[0], at), c, (o, i, ky, kx)

    def folded(self, node: Any, index: Index) -> Iterator[Predecessor]:
        """Every place of every patch that leads to this pixel."""
        n, c, y, x = index
        high, wide = self.constants[node.input[2]].tolist()
        strides, pads, dilations = (
            option(node, name, usual) for name, usual in (("strides", [1, 1]), ("pads", [0] * 4), ("dilations", [1, 1]))
        )
        size = self.values[node.output[0]].shape[2:]
        down, across = (
            (size[at] + pads[at] + pads[2 + at] - dilations[at] * (side - 1) - 1) // strides[at] + 1
            for at, side in enumerate((high, wide))
        )
        for i in range(down):
            for j in range(across):
                for ky in range(high):
                    for kx in range(wide):
                        place = (
                            i * strides[0] - pads[0] + ky * dilations[0],
                            j * strides[1] - pads[1] + kx * dilations[1],
                        )
                        if place == (y, x):
                            at = (n, (c * high + ky) * wide + kx, i * across + j)
                            yield (node.input[0], at), self.delta(node.input[0], at), None

    def transposed(self, node: Any, index: Index) -> Iterator[Predecessor]:
        """Every input and every tap that lead to this output."""
        weight = self.constants[node.input[1]]
        n, o, p, q = index
        groups = option(node, "group", 1)
        strides, pads = option(node, "strides", [1, 1]), option(node, "pads", [0] * 4)
        height, width = self.values[node.input[0]].shape[2:]
        into, out = len(weight) // groups, weight.shape[1]
        for y in range(height):
            for x in range(width):
                ky, kx = p + pads[0] - y * strides[0], q + pads[1] - x * strides[1]
                if 0 <= ky < weight.shape[2] and 0 <= kx < weight.shape[3]:
                    for i in range(o // out * into, o // out * into + into):
                        c = np.float32(self.delta(node.input[0], (n, i, y, x)) * weight[i, o % out, ky, kx])
                        yield (node.input[0], (n, i, y, x)), c, None


def option(node: Any, name: str, default: Any) -> Any:
    return next((helper.get_attribute_value(item) for item in node.attribute if item.name == name), default)
