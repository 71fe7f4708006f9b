"""Sessions: the provider asked for or an error, and sound graph optimisations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from hubslice.core.errors import ProviderError
from hubslice.graph import session as sessions
from hubslice.graph.session import CPU, CUDA, LEVELS, open_session, parse_device


def graph(nodes: list[Any], initializers: list[Any]) -> Any:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy"]
    body = helper.make_graph(nodes, "g", values[:1], values[1:], initializers)
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def addition() -> Any:
    one = numpy_helper.from_array(np.ones(3, np.float32), "one")
    return graph([helper.make_node("Add", ["x", "one"], ["y"])], [one])


@pytest.mark.parametrize("level", LEVELS)
def test_padding_with_zeros_before_max_pooling_counts(level: Any) -> None:
    pads = numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1]), "pads")
    nodes = [
        helper.make_node("Pad", ["x", "pads"], ["p"]),
        helper.make_node("MaxPool", ["p"], ["y"], kernel_shape=[3, 3]),
    ]
    session = open_session(graph(nodes, [pads]).SerializeToString(), level=level)
    x = -np.ones((1, 1, 4, 4), np.float32)
    (y,) = session.runtime.run(None, {"x": x})
    assert y[0, 0, 0, 0] == 0  # the corner window sees the padding
    assert y[0, 0, 1, 1] == -1


@pytest.mark.parametrize(("text", "parsed"), [("cpu", ("cpu", 0)), ("cuda", ("cuda", 0)), ("cuda:3", ("cuda", 3))])
def test_devices(text: str, parsed: tuple[str, int]) -> None:
    assert parse_device(text) == parsed


@pytest.mark.parametrize("text", ["gpu", "cuda:", "cuda:-1", "CPU", "cpu:0", ""])
def test_unknown_devices(text: str) -> None:
    with pytest.raises(ProviderError, match="unknown device") as caught:
        parse_device(text)
    assert caught.value.hint == "use cpu, cuda or cuda:N"


def test_cpu_session_says_where_it_runs() -> None:
    session = open_session(addition().SerializeToString())
    assert (session.provider, session.device_type, session.device_id) == (CPU, "cpu", 0)
    assert session.input_names == ("x",)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_cuda_without_a_gpu_is_an_error() -> None:
    with pytest.raises(ProviderError, match="cuda:0 was asked for, but torch sees no CUDA device") as caught:
        open_session(addition().SerializeToString(), "cuda:0")
    assert caught.value.hint == "use --device cpu"


def test_a_silent_fallback_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    fallen = onnxruntime.InferenceSession(addition().SerializeToString(), providers=[CPU])
    monkeypatch.setattr(sessions, "_session", lambda *_: fallen)
    with pytest.raises(ProviderError, match="cannot run on cuda and fell back to CPUExecutionProvider"):
        open_session(addition().SerializeToString(), "cuda")
    with pytest.raises(ProviderError, match="there are 1 CUDA devices"):
        open_session(addition().SerializeToString(), "cuda:1")


def test_weights_beside_an_in_memory_graph(tmp_path: Path) -> None:
    onnx.save(addition(), tmp_path / "m.onnx", save_as_external_data=True, location="m.onnx.data", size_threshold=0)
    content = onnx.load(tmp_path / "m.onnx", load_external_data=False).SerializeToString()
    session = open_session(content, external_data=tmp_path)
    assert session.runtime.run(None, {"x": np.zeros(3, np.float32)})[0].tolist() == [1, 1, 1]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_session() -> None:
    session = open_session(addition().SerializeToString(), "cuda")
    assert (session.provider, session.device_type) == (CUDA, "cuda")
    assert session.runtime.run(None, {"x": np.zeros(3, np.float32)})[0].tolist() == [1, 1, 1]
