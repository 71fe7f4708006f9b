"""The folded graph computes what the export computes, and its layers keep their names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from hubslice.graph.export import export_onnx
from hubslice.graph.folding import fold
from hubslice.graph.neuron_map import map_neurons
from hubslice.graph.parity import check_parity
from tests.graph.architectures import Architecture, exported, find

NAMES = ["test_efficientnet", "test_vit", "densenet121", "hf-bert"]
TABLE = [pytest.param(find(name), id=name, marks=[pytest.mark.slow] if at else []) for at, name in enumerate(NAMES)]


@pytest.mark.parametrize("architecture", TABLE)
def test_it_computes_the_same_under_the_same_names(
    architecture: Architecture, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    case = exported(architecture, tmp_path_factory)
    model = fold(onnx.load(case.path))
    onnx.save(model, tmp_path / "folded.onnx")
    check_parity(case.module, tmp_path / "folded.onnx", case.inputs(3), rtol=1e-4)
    nodes = {node.name: node for node in model.graph.node}
    constants = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    shapes = {name: tuple(parameter.shape) for name, parameter in case.module.named_parameters()}
    for layer in case.neurons.layers:
        node = nodes[layer.node]
        assert sorted(constants[node.input[1]]) == sorted(shapes[layer.parameter])


class Normalised(nn.Module):
    """Normalisation behind a convolution, before one, and behind one that is read twice."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1, bias=at % 2 == 0) for at in range(3))
        self.norms = nn.ModuleList(nn.BatchNorm2d(4, eps=1e-3) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norms[0](self.convs[0](x)).relu()
        x = self.convs[1](self.norms[1](x).relu())
        x = x + self.norms[2](x) + self.convs[2](x)
        return x.mean((2, 3))


@pytest.mark.slow
def test_only_what_is_read_by_its_normalisation_alone_is_folded(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Normalised().eval()
    with torch.no_grad():
        for norm in module.norms:
            norm.weight.normal_()  # negative ones, too
            norm.bias.normal_()
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
    path, inputs = tmp_path / "model.onnx", {"x": torch.randn(2, 4, 5, 5)}
    export_onnx(module, inputs, path)
    model = fold(onnx.load(path))
    kinds = [node.op_type for node in model.graph.node]
    assert (kinds.count("Conv"), kinds.count("BatchNormalization")) == (3, 2)
    onnx.save(model, tmp_path / "folded.onnx")
    check_parity(module, tmp_path / "folded.onnx", inputs, rtol=1e-5)
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    norm = module.norms[0]
    factor = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach().numpy()
    expected = module.convs[0].weight.detach().numpy() * factor[:, None, None, None]
    np.testing.assert_allclose(weights["convs.0.weight:folded"], expected, rtol=1e-5)
    assert {layer.parameter for layer in map_neurons(module, path).layers} == {f"convs.{at}.weight" for at in range(3)}


class Parted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 8, 3), nn.Linear(11, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        a, b = torch.split(y, [5, 3], 1)
        c, d, _ = y.split(3, 1)
        return self.fc(torch.cat([b * c, a, d + c], 1).mean((2, 3)))


def test_parts_of_a_split_tensor_are_slices_of_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module, path, inputs = Parted().eval(), tmp_path / "model.onnx", {"x": torch.randn(2, 3, 8, 8)}
    export_onnx(module, inputs, path)
    before = onnx.load(path)
    assert "SequenceAt" in {node.op_type for node in before.graph.node}
    folded = fold(before)
    kinds = {node.op_type for node in folded.graph.node}
    assert "Slice" in kinds
    assert not kinds & {"SequenceAt", "SplitToSequence"}
    onnx.save(folded, tmp_path / "folded.onnx")
    check_parity(module, tmp_path / "folded.onnx", inputs, rtol=1e-5)


class Attending(nn.Module):
    """Attention to a learned sequence: the weight of queries, and that of keys and values, are parts of a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.learned = nn.Parameter(torch.randn(1, 5, 4))

    def forward(self, x: Tensor) -> Tensor:
        learned = self.learned.expand(x.shape[0], -1, -1)
        found: Tensor = self.attention(x, learned, learned)[0].mean(1)
        return found


def test_parts_of_a_parameter_are_constants(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module, path, inputs = Attending().eval(), tmp_path / "model.onnx", {"x": torch.randn(2, 3, 4)}
    export_onnx(module, inputs, path)
    folded = fold(onnx.load(path))
    constants = {tensor.name for tensor in folded.graph.initializer}
    assert not any(constants.issuperset(node.input) for node in folded.graph.node)
    weighted = [node for node in folded.graph.node if not constants.isdisjoint(node.input[1:])]
    assert len([node for node in weighted if node.op_type == "MatMul"]) == 2
    onnx.save(folded, tmp_path / "folded.onnx")
    check_parity(module, tmp_path / "folded.onnx", inputs, rtol=1e-5)


class Heads(nn.Module):
    """Answers of several heads put together, and products of matrices in Einstein's notation."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(6, 4) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        score = torch.einsum("bhlk,bhtk->bhlt", x, x)
        mixed = torch.einsum("bhlt,bhtv->bhlv", score.softmax(-1), x).mean((1, 2))
        answers = torch.stack([head(mixed) for head in self.heads])
        crossed = torch.einsum("bhlk,bhlk->bl", x, x).mean(1)  # no product of matrices: it stays
        return answers.mean(0) + answers.sum(0) + torch.stack(list(answers), dim=1).sum(1) + crossed[:, None]


EQUATIONS = [
    ("bhlk,bhtk->bhlt", (2, 3, 4), None),
    ("bhlk,bhtk->bthl", (2, 3, 4), None),
    ("bhlk,bhkt->bhlt", (2, 4, 4), None),
    ("byhwc,hkc->byhwk", (2, 3, 4, 5), (3, 6, 5)),  # of MViTv2
    ("byhwc,wkc->byhwk", (2, 3, 4, 5), (4, 6, 5)),
    ("hkc,byhwc->bkwhy", (2, 3, 4, 5), (3, 6, 5)),
    ("bxyk,bkt->bxyt", (2, 4, 4), None),
    ("bxk,kt->btx", (3, 4), (4, 5)),
]


class Product(nn.Module):
    def __init__(self, equation: str, weight: tuple[int, ...] | None) -> None:
        super().__init__()
        self.equation = equation
        self.weight = None if weight is None else nn.Parameter(torch.randn(weight))

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.equation.partition("->")[0].split(",")
        other = x if self.weight is None else self.weight
        if self.weight is None and len(right) < len(left):
            other = x[:, 0]
        found: Tensor = torch.einsum(self.equation, *((other, x) if left == "hkc" else (x, other)))
        return found.flatten(1).cumsum(1)


@pytest.mark.slow
@pytest.mark.parametrize(("equation", "shape", "weight"), EQUATIONS)
def test_einsums_that_are_products_of_matrices(
    equation: str, shape: tuple[int, ...], weight: tuple[int, ...] | None, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    module, path = Product(equation, weight).eval(), tmp_path / "model.onnx"
    export_onnx(module, {"x": torch.randn(2, *shape)}, path)
    folded = fold(onnx.load(path))
    kinds = [node.op_type for node in folded.graph.node]
    assert (kinds.count("Einsum"), kinds.count("MatMul")) == (0, 1)
    for node in folded.graph.node:
        order = [item.ints for item in node.attribute if item.name == "perm"]
        assert not order or order[0][0] == 0 or node.input[0] not in {"x"}  # samples stay on the first axis
    onnx.save(folded, tmp_path / "folded.onnx")
    check_parity(module, tmp_path / "folded.onnx", {"x": torch.randn(3, *shape)}, rtol=1e-5)


def test_sums_over_a_stack_and_einsums_are_put_in_plainer_operators(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module, path, inputs = Heads().eval(), tmp_path / "model.onnx", {"x": torch.randn(2, 2, 5, 6)}
    export_onnx(module, inputs, path)
    before = onnx.load(path)
    assert [node.op_type for node in before.graph.node].count("Einsum") == 3
    folded = fold(before)
    kinds = [node.op_type for node in folded.graph.node]
    assert (kinds.count("Einsum"), kinds.count("MatMul")) == (1, 2)
    onnx.save(folded, tmp_path / "folded.onnx")
    check_parity(module, tmp_path / "folded.onnx", {"x": torch.randn(3, 2, 5, 6)}, rtol=1e-5)
    first = {tuple(node.input) for node in folded.graph.node if node.op_type in {"ReduceSum", "ReduceMean"}}
    axes = {tensor.name: onnx.numpy_helper.to_array(tensor).tolist() for tensor in folded.graph.initializer}
    assert all(axes[names[1]] not in (0, [0]) for names in first)
    assert {layer.node for layer in map_neurons(module, path).layers} <= {node.name for node in folded.graph.node}
