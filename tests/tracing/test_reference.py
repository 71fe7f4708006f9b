"""Slices equal those of a slow, obvious reference to the last contribution, whatever the operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hubslice.tracing.accelerated import TorchKernels
from hubslice.tracing.means import Means, take_means
from hubslice.tracing.network import Network
from hubslice.tracing.selection import Selection
from hubslice.tracing.trace import BatchTrace
from tests.tracing.reference import Reference

SELECTIONS = [
    Selection(theta=0.0),
    Selection(theta=0.3),
    Selection(theta=1.0),
    Selection(rule="released"),
    Selection(rule="path", theta=0.5),
    Selection(cancel=False),
    Selection(rule="released", eps=0.7, bar=0.3),
]


class Graph:
    """A small ONNX graph, written node by node with random weights."""

    def __init__(self, *shape: int | str, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.shape = shape
        self.last = "x"

    def constant(self, array: Any) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def random(self, *shape: int) -> str:
        return self.constant(self.rng.standard_normal(shape).astype(np.float32))

    def add(self, kind: str, *inputs: str, **options: Any) -> str:
        self.last = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [self.last], name=f"n{len(self.nodes)}", **options))
        return self.last

    def conv(self, x: str, out: int, into: int, k: int = 3, **options: Any) -> str:
        options = {"pads": [1, 1, 1, 1], "kernel_shape": [k, k]} | options
        return self.add("Conv", x, self.random(out, into, k, k), self.random(out), **options)

    def model(self) -> Any:
        real = TensorProto.FLOAT
        graph = helper.make_graph(
            self.nodes,
            "tiny",
            [helper.make_tensor_value_info("x", real, ["batch", *self.shape])],
            [helper.make_tensor_value_info(self.last, real, None)],
            self.weights,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def residual() -> Any:
    """Strides, a residual connection, both kinds of pooling, a linear layer."""
    g = Graph(2, 7, 7)
    a = g.add("Relu", g.conv("x", 4, 2))
    b = g.add("MaxPool", a, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    c = g.conv(g.add("Relu", g.conv(b, 4, 4)), 4, 4)
    d = g.add("Relu", g.add("Add", c, b))
    e = g.add("AveragePool", d, kernel_shape=[2, 2], strides=[2, 2])
    f = g.add("Reshape", e, g.constant(np.array([0, -1])))
    g.add("Gemm", f, g.random(3, 16), g.random(3), transB=1)
    return g.model()


def grouped() -> Any:
    """Groups, depthwise, dilation, uneven padding, concatenation, a mean over positions."""
    g = Graph(4, 6, 5)
    a = g.add("Relu", g.conv("x", 6, 2, group=2, dilations=[2, 2], pads=[2, 1, 2, 1]))
    b = g.conv(a, 6, 1, group=6, strides=[2, 1], pads=[1, 0, 0, 1])
    c = g.conv(a, 2, 6, 1, strides=[2, 1], pads=[0, 0, 0, 0])
    d = g.add("ReduceMean", b, g.constant(np.array([2, 3])), keepdims=0)
    e = g.add("ReduceMean", c, g.constant(np.array([-1, -2])), keepdims=0)
    g.add("MatMul", g.add("Concat", d, e, axis=1), g.random(8, 3))
    return g.model()


def transposed() -> Any:
    """Transposed convolutions: strides, groups, padding at one side, more outputs than inputs lead to."""
    g = Graph(4, 4, 3)
    wide = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1], "group": 2}
    a = g.add("ConvTranspose", g.add("Relu", g.conv("x", 4, 4)), g.random(4, 3, 3, 3), g.random(6), **wide)
    tall = {"kernel_shape": [3, 3], "strides": [3, 1], "pads": [0, 2, 1, 0]}
    b = g.add("ConvTranspose", g.add("Relu", a), g.random(6, 2, 3, 3), g.random(2), **tall)
    c = g.add("ReduceMean", g.add("Relu", b), g.constant(np.array([2, 3])), keepdims=0)
    g.add("MatMul", c, g.random(2, 3))
    return g.model()


def gated() -> Any:
    """Squeeze and excite, SiLU in pieces, a scale, a bias."""
    g = Graph(3, 5, 5)
    a = g.conv("x", 4, 3)
    a = g.add("Mul", a, g.add("Sigmoid", a))
    gate = g.add("ReduceMean", a, g.constant(np.array([2, 3])), keepdims=1)
    gate = g.add("Sigmoid", g.conv(gate, 4, 4, 1, pads=[0, 0, 0, 0]))
    b = g.add("Add", g.add("Mul", a, gate), g.random(1, 4, 1, 1))
    c = g.add("ReduceMean", g.add("Mul", b, g.random(4, 1, 1)), g.constant(np.array([2, 3])), keepdims=0)
    g.add("Gemm", c, g.random(4, 3))
    return g.model()


def attention() -> Any:
    """One block of a transformer with two heads."""
    g = Graph(4, 6)

    def heads(t: str) -> str:
        cut = g.add("Reshape", g.add("MatMul", t, g.random(6, 6)), g.constant(np.array([0, 4, 2, 3])))
        return g.add("Transpose", cut, perm=[0, 2, 1, 3])

    t = g.add("LayerNormalization", "x", g.random(6), g.random(6))
    q, k, v = heads(t), g.add("Transpose", heads(t), perm=[0, 1, 3, 2]), heads(t)
    mixed = g.add("MatMul", g.add("Softmax", g.add("MatMul", q, k), axis=-1), v)
    flat = g.add("Reshape", g.add("Transpose", mixed, perm=[0, 2, 1, 3]), g.constant(np.array([0, 4, 6])))
    out = g.add("Add", g.add("Add", g.add("MatMul", flat, g.random(6, 6)), g.random(6)), "x")
    g.add("Gemm", g.add("ReduceMean", out, g.constant(np.array([1])), keepdims=0), g.random(6, 3))
    return g.model()


def normalised() -> Any:
    """Lengths by channel that divide and are divided, largest and smallest values, quotients of two activations."""
    g = Graph(3, 5, 5)
    a = g.conv("x", 4, 3)
    places, last = g.constant(np.array([2, 3])), g.constant(np.array([1]))
    length = g.add("ReduceL2", a, places, keepdims=1)
    share = g.add("Div", length, g.add("ReduceMean", length, last, keepdims=1))
    b = g.add("Add", g.add("Mul", a, share), a)
    gate = g.add("Add", g.add("Sigmoid", g.conv(a, 4, 4)), g.constant(np.float32(0.5)))
    c = g.add("Div", g.conv(b, 4, 4), gate)
    top = g.add("ReduceMax", c, places, keepdims=0)
    low = g.add("ReduceMin", b, places, keepdims=0)
    size = g.add("ReduceL1", c, places, keepdims=0)
    g.add("Gemm", g.add("Concat", top, low, size, axis=1), g.random(12, 3))
    return g.model()


def queried() -> Any:
    """Learned queries look at tokens, a matrix on the left mixes them, each token has weights of its own."""
    g = Graph(4, 6)
    keys = g.add("Transpose", g.add("MatMul", "x", g.random(6, 6)), perm=[0, 2, 1])
    looked = g.add("MatMul", g.add("Softmax", g.add("MatMul", g.random(3, 6), keys), axis=-1), "x")
    mixed = g.add("MatMul", g.random(2, 3), g.add("Relu", looked))
    own = g.add("MatMul", g.add("Reshape", mixed, g.constant(np.array([0, 2, 1, 6]))), g.random(2, 6, 4))
    g.add("Gemm", g.add("Reshape", own, g.constant(np.array([0, 8]))), g.random(8, 3))
    return g.model()


def placed() -> Any:
    """Values looked up by place, written over others, and patches put together to an image."""
    g = Graph(4, 4, 4)
    a = g.conv("x", 4, 4)
    first = g.add("Transpose", a, perm=[1, 0, 2, 3])
    some = g.add("GatherND", first, g.constant(np.array([[2], [0]])))
    over = g.add("Transpose", g.conv("x", 2, 4), perm=[1, 0, 2, 3])
    mixed = g.add("ScatterND", first, g.constant(np.array([[3], [1]])), some)
    mixed = g.add("ScatterND", mixed, g.constant(np.array([[1], [2]])), over)
    back = g.add("Transpose", mixed, perm=[1, 0, 2, 3])
    columns = g.add("Reshape", back, g.constant(np.array([0, 16, 4])))
    sides = g.constant(np.array([4, 4])), g.constant(np.array([2, 2]))
    image = g.add("Col2Im", columns, *sides, strides=[2, 2])
    g.add("Gemm", g.add("ReduceMean", g.conv(image, 4, 4), g.constant(np.array([2, 3])), keepdims=0), g.random(4, 3))
    return g.model()


def folded() -> Any:
    """Patches that overlap put together; images mirrored, repeated at their edges and as a whole."""
    g = Graph(2, 5, 4)
    a = g.add("Pad", g.conv("x", 4, 2), g.constant(np.array([0, 0, 1, 2, 0, 0, 2, 1])), mode="reflect")  # 8 x 7
    a = g.add("Pad", g.add("Relu", a), g.constant(np.array([0, 0, 0, 1, 0, 0, 0, 0])), mode="edge")  # 8 x 8
    a = g.conv(a, 18, 4, strides=[2, 2])  # 4 x 4
    columns = g.add("Reshape", a, g.constant(np.array([0, 18, 16])))
    sides = g.constant(np.array([7, 7])), g.constant(np.array([3, 3]))
    image = g.add("Col2Im", columns, *sides, strides=[2, 2], pads=[1, 1, 1, 1])
    b = g.add("Reshape", g.conv(image, 8, 2, strides=[2, 2]), g.constant(np.array([0, 8, 16])))
    wide = g.constant(np.array([7, 8])), g.constant(np.array([2, 2]))
    image = g.add("Col2Im", b, *wide, strides=[1, 2], dilations=[3, 1])
    b = g.conv(g.add("Tile", image, g.constant(np.array([1, 2, 1, 3]))), 2, 4, strides=[3, 3])
    g.add("Gemm", g.add("ReduceMean", b, g.constant(np.array([2, 3])), keepdims=0), g.random(2, 3))
    return g.model()


NETWORKS = {
    "residual": residual,
    "grouped": grouped,
    "transposed": transposed,
    "gated": gated,
    "attention": attention,
    "normalised": normalised,
    "queried": queried,
    "placed": placed,
    "folded": folded,
}


def samples(model: Any, count: int, seed: int) -> np.ndarray:
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim[1:]]
    return np.random.default_rng(seed).standard_normal((count, *shape)).astype(np.float32)


# What a neuron is decides before the kernels: with those of torch one of the two is enough.
@pytest.mark.parametrize(
    ("accelerated", "neuron"),
    [
        pytest.param(False, "channel", id="compiled-channel"),
        pytest.param(False, "element", id="compiled-element", marks=pytest.mark.slow),
        pytest.param(True, "channel", id="accelerated-channel", marks=pytest.mark.slow),
        pytest.param(True, "element", id="accelerated-element", marks=pytest.mark.deep),
    ],
)
@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_equal_to_the_last_contribution(
    build: Callable[[], Any], neuron: Any, accelerated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever traces, be it the loops for other devices, run on the CPU, a few outputs at a time."""
    monkeypatch.setattr("hubslice.tracing.accelerated.BUDGET", 5000)
    model = build()
    x = samples(model, 3, seed=5)
    network = Network.of(model, {"x": x})
    means = take_means(network, {0: [{"x": samples(model, 16, seed=6)}]}, neuron=neuron)
    names = [name for node in model.graph.node for name in node.output]
    values = run_all(model, names, x)
    targets = np.array([0, 2, 1])
    for selection in SELECTIONS:
        used: dict[str, np.ndarray] = {}
        traced = BatchTrace(
            network.flow,
            network.open()({"x": x}),
            means,
            selection,
            lambda op, contribution, to=used: to.__setitem__(op.name, contribution),
        )
        if accelerated:
            traced.kernels = TorchKernels("cpu")
        found: dict[str, np.ndarray] = {}
        traced.run(targets, lambda name, contribution, to=found: to.__setitem__(name, contribution.copy()))
        totals: dict[str, np.ndarray] = {}
        for sample in range(3):
            # Tensors whose second axis is that of the samples have none of their three on the first.
            one = {
                name: array[sample : sample + 1] if len(array) == 3 else array[:, sample : sample + 1]
                for name, array in values.items()
            }
            reference = Reference(model, one, {name: table[0] for name, table in means.tables.items()})
            contrib, synapses = reference.trace(int(targets[sample]), selection)
            for name, array in found.items():
                if len(array) != 3:
                    continue
                expected = np.zeros(array.shape[1:], np.int64)
                for index in np.ndindex(expected.shape):
                    expected[index] = contrib[name, (0, *index)]
                np.testing.assert_array_equal(array[sample], expected, err_msg=f"{name} {selection}")
            for (node, weight), count in synapses.items():
                totals.setdefault(node, np.zeros(used[node].shape, np.int64))[weight] += count
        assert any(np.count_nonzero(array) for array in totals.values())
        for node, array in used.items():
            np.testing.assert_array_equal(array, totals.get(node, 0 * array), err_msg=f"{node} {selection}")
        assert np.count_nonzero(found["x"]), selection


def run_all(model: Any, names: list[str], x: np.ndarray) -> dict[str, np.ndarray]:
    import onnxruntime as ort

    from hubslice.tracing.network import with_outputs

    whole: onnx.ModelProto = with_outputs(model, names)
    session = ort.InferenceSession(whole.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip(names, session.run(names, {"x": x}), strict=True)) | {"x": x}


def test_one_profile_says_whose_it_is() -> None:
    model = residual()
    network = Network.of(model, {"x": samples(model, 2, 0)})
    means = take_means(network, {0: [{"x": samples(model, 4, 1)}]}, data="noise")
    assert isinstance(means, Means)
    assert (means.model, means.data, means.samples, means.classes) == (network.hash, "noise", 4, ())
