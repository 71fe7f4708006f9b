"""What `export_onnx` writes, and what it says when it cannot."""

from __future__ import annotations

import ast
import contextlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from hubslice.core.errors import ExportError
from hubslice.graph import export
from hubslice.graph.export import SCOPES, export_onnx
from hubslice.graph.session import open_session


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.bn = nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.bn(self.conv(x)).relu()


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(Block(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(4, 2))


IMAGES = torch.zeros(2, 3, 8, 8)


@dataclass(frozen=True)
class Result:
    module: nn.Module
    modes: list[bool]  # before the export
    path: Path
    printed: tuple[str, str]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """One export, from one sample and a module half in training mode."""
    module = network().train()
    module[0].bn.eval()  # type: ignore[index, union-attr]
    modes = [part.training for part in module.modules()]
    path = tmp_path_factory.mktemp("export") / "m.onnx"
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        export_onnx(module, {"pixel_values": IMAGES[:1]}, path)
    return Result(module, modes, path, (out.getvalue(), err.getvalue()))


def test_names_scopes_and_nothing_else(result: Result) -> None:
    model = onnx.load(result.path)
    names = {tensor.name for tensor in model.graph.initializer}
    assert names >= {*dict(result.module.named_parameters()), "0.bn.running_mean"}
    assert [value.name for value in model.graph.input] == ["pixel_values"]
    assert [value.name for value in model.graph.output] == ["logits"]
    metadata = {node.op_type: {entry.key: entry.value for entry in node.metadata_props} for node in model.graph.node}
    assert list(metadata["Conv"]) == [SCOPES]
    assert ast.literal_eval(metadata["Conv"][SCOPES])[:3] == ["", "0", "0.conv"]
    assert ast.literal_eval(metadata["BatchNormalization"][SCOPES])[:3] == ["", "0", "0.bn"]
    content = result.path.read_bytes()
    assert str(Path(__file__).parent).encode() not in content
    assert b"site-packages" not in content


def test_any_batch_size_runs_though_the_example_has_one_sample(result: Result) -> None:
    session = open_session(result.path)
    for n in (1, 2, 5):
        feed = {"pixel_values": np.zeros((n, 3, 8, 8), np.float32)}
        assert session.runtime.run(None, feed)[0].shape == (n, 2)


def test_training_modes_come_back(result: Result) -> None:
    assert [part.training for part in result.module.modules()] == result.modes


def test_quiet(result: Result) -> None:
    assert result.printed == ("", "")


def test_the_same_module_gives_the_same_bytes(result: Result, tmp_path: Path) -> None:
    export_onnx(network(), {"pixel_values": IMAGES}, tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").read_bytes() == result.path.read_bytes()


class Named(nn.Module):
    def forward(self, a: torch.Tensor | None = None, b: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        assert a is not None
        assert b is not None
        return {"hidden": a - b, "other": a + b}


def test_inputs_go_by_keyword_where_forward_knows_them(tmp_path: Path) -> None:
    export_onnx(Named(), {"b": torch.ones(2, 3), "a": torch.zeros(2, 3)}, tmp_path / "m.onnx")
    feed = {"a": np.full((1, 3), 5, np.float32), "b": np.full((1, 3), 2, np.float32)}
    (result,) = open_session(tmp_path / "m.onnx").runtime.run(["logits"], feed)
    assert result.tolist() == [[3.0, 3.0, 3.0]]  # the first tensor of several


class Branches(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2 if x.sum() > 0 else x


class NoOperator(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.bessel_j0(x)


class WrongShape(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ torch.zeros(7, 7)


class FixedBatch(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(2, -1)


@pytest.mark.parametrize(
    ("module", "message", "hint"),
    [
        (Branches(), "Branches cannot be exported to ONNX: GuardOnDataDependent", "branches on the values"),
        (NoOperator(), "there is no ONNX form of the operator prims.bessel_j0", "replace the operator"),
        (WrongShape(), "must have same reduction dim", "runs on the example inputs"),
        (FixedBatch(), "does not keep its batch axis: the first axis of its output is 2", "one row of output"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_what_cannot_be_exported_is_named(
    module: nn.Module, message: str, hint: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ExportError) as caught:
        export_onnx(module, {"x": torch.zeros(2, 3, 8, 8)}, tmp_path / "m.onnx")
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_a_failed_write_leaves_the_old_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.onnx").write_bytes(b"old")

    def full(self: object, destination: str) -> None:
        Path(destination).write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(export.torch.onnx.ONNXProgram, "save", full)
    with pytest.raises(OSError, match="no space"):
        export_onnx(network(), {"x": IMAGES}, tmp_path / "m.onnx")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("m.onnx", b"old")]
