"""The experiment on execution patterns: what hides them computes the same, and counts are right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from bench.execution import judge, render
from bench.execution.padding import pad_graph, padded_module
from bench.execution.run import KNOWN, missing, path_of
from bench.machine import Machine
from hubslice.graph.session import open_session
from hubslice.verbs.execution.record_torch import record_torch
from hubslice.verbs.execution.store import save_patterns
from tests.ancestry.runs import SITE, pattern
from tests.verbs.latency.graphs import write

NETWORKS = ("resnet18", "resnet34", "resnet50")
STACKS = ("eager", "ort-all")
MACHINE = Machine(
    date="2026-01-01", commit="0", processor="a fast one", cores=2, threads=1, python="3.11", packages={"torch": "2"}
)


def test_a_padded_graph_computes_the_same(tmp_path: Path) -> None:
    nodes = [onnx.helper.make_node("Relu", [f"t{at}"], [f"t{at + 1}"]) for at in range(40)]
    write(tmp_path / "plain.onnx", nodes, [("t0", onnx.TensorProto.FLOAT, (2, 3))], ("t40", (2, 3)))
    pad_graph(tmp_path / "plain.onnx", tmp_path / "new/padded.onnx", seed=0)
    given = {"t0": np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)}
    plain = open_session(tmp_path / "plain.onnx").runtime.run(["t40"], given)[0]
    padded = open_session(tmp_path / "new/padded.onnx").runtime.run(["t40"], given)[0]
    np.testing.assert_array_equal(padded, plain)
    assert 45 < len(onnx.load(tmp_path / "new/padded.onnx").graph.node) < 80


def test_a_padded_module_runs_something_else_every_time() -> None:
    module = torch.nn.Sequential(*(torch.nn.ReLU() for _ in range(30))).eval()
    inputs = {"input": torch.rand(1, 3)}
    with padded_module(module, seed=0):
        traces = record_torch(module, inputs, 6, compiled=False, threads=1)
        torch.testing.assert_close(module(inputs["input"]), inputs["input"])
    assert len({trace.names for trace in traces}) > 1
    assert all(trace.names.count("aten::relu") == 30 and "aten::mm" in trace.names for trace in traces)
    assert "aten::mm" not in record_torch(module, inputs, 1, compiled=False, threads=1)[0].names


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Three networks on two stacks, the third of which runs like the second when it is seen."""
    for at, network in enumerate(NETWORKS):
        for number, stack in enumerate(STACKS):
            for condition in (KNOWN, "quiet"):
                seen = min(at, 1) if condition == "quiet" else at
                made = pattern(seed=10 * seen + number, session=condition == "quiet")
                made = replace(made, architecture=network, stack=stack)
                save_patterns(path_of(tmp_path, network, stack, condition), [made], SITE)
    refusal = path_of(tmp_path, "resnet50", "eager", "busy").with_suffix(".txt")
    refusal.write_text("too slow\n")
    return tmp_path


def test_what_is_told_is_counted_right(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = judge.judge(runs, STACKS, MACHINE)
    assert (found.networks, found.runs, found.site) == (NETWORKS, 6, SITE)
    for cell in found.cells:
        if cell.sight != judge.COUNT and cell.known == "all":
            assert (cell.condition, cell.networks) == ("quiet", 3)
            assert (cell.architecture.hits, cell.architecture.total) == (12, 18)
            assert (cell.software.hits, cell.both.hits) == (18, 12)
            assert (cell.together.hits, cell.together.total) == (2, 3)
    for sight in judge.SIGHTS:
        assert found.software[sight] == {"eager": {"eager": 18}, "ort-all": {"ort-all": 18}}
        assert set(found.confused[sight]) == {
            ("resnet50 on eager", "resnet34 on eager", 6),
            ("resnet50 on ort-all", "resnet34 on ort-all", 6),
        }
    assert found.refused == {"resnet50 eager-busy": "too slow"}
    monkeypatch.setattr(render, "HERE", runs)
    render.render(judge.Results.model_validate_json(found.model_dump_json()))
    table = (runs / "table.md").read_text()
    assert "| durations alone | `eager` | as recorded | 66.7 [" in table
    assert "| 2 of 3 |" in table
    assert "- resnet50 eager-busy: too slow" in table


def test_it_goes_on_where_it_stopped(runs: Path) -> None:
    left = list(missing(runs, NETWORKS, STACKS, (KNOWN, "quiet", "busy")))
    assert left == [
        ("busy", "resnet18", ["eager", "ort-all"]),
        ("busy", "resnet34", ["eager", "ort-all"]),
        ("busy", "resnet50", ["ort-all"]),
    ]


def test_patterns_of_two_machines_are_not_mixed(runs: Path) -> None:
    other = SITE.model_copy(update={"processor": "a slow one"})
    path = path_of(runs, "resnet18", "eager", KNOWN)
    save_patterns(path, [replace(pattern(0), architecture="resnet18")], other)
    with pytest.raises(SystemExit, match="come from 2 machines or versions"):
        judge.judge(runs, STACKS, MACHINE)


def test_it_is_told_as_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    committed = render.HERE / "table.md"
    monkeypatch.setattr(render, "HERE", tmp_path)
    render.render(judge.Results.load(render.RESULTS))
    assert (tmp_path / "table.md").read_text() == committed.read_text()
