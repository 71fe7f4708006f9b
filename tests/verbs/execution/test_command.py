"""Execution patterns: what is recorded, what is made of it, and `hubslice execution MODEL`."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import hubslice as package
from hubslice.models.timm_adapter import TimmModel
from hubslice.verbs.execution.facts import Execution
from hubslice.verbs.execution.features import BLOCKS, FLOORS, pairs, shares, timing, unlike_pairs, unlike_shares
from hubslice.verbs.execution.identify import Identifier
from hubslice.verbs.execution.record_ort import record_ort
from hubslice.verbs.execution.record_torch import _trace, record_torch
from hubslice.verbs.execution.stacks import STACKS
from hubslice.verbs.execution.store import load_patterns, save_patterns
from hubslice.verbs.execution.trace import Trace, combined
from tests.ancestry.runs import SITE, pattern, renamed, times
from tests.terminal.conftest import Hubslice, hubslice

__all__ = ["hubslice"]


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.relu(self.norm(self.conv(x))).mean((2, 3)))


INPUTS = {"x": torch.rand(1, 3, 12, 12)}


def test_operators_are_seen_in_their_order() -> None:
    module, threads = Tiny().train(), torch.get_num_threads()
    found = record_torch(module, INPUTS, 4, compiled=False, threads=1)
    assert len(found) == 4
    names = ("aten::conv2d", "aten::batch_norm", "aten::relu", "aten::mean", "aten::linear")
    assert {trace.names for trace in found} == {names}
    assert all((trace.durations > 0).all() for trace in found)
    assert module.training
    assert torch.get_num_threads() == threads


def test_on_a_gpu_the_kernels_within_a_run_are_its_events() -> None:
    """In the order in which they began, what PyTorch itself puts there left aside."""

    def event(name: str, start: float, spent: float, *, note: bool = False) -> SimpleNamespace:
        time_range = SimpleNamespace(start=start, end=start + spent, elapsed_us=lambda: spent)
        return SimpleNamespace(name=name, time_range=time_range, is_user_annotation=note, cpu_children=[])

    kernels = [event("late", 30, 2.5), event("triton_poi_fused_add_3", 12, 4), event("other run", 60, 1)]
    trace = _trace(event("run", 10, 40), [*kernels, event("run", 11, 38, note=True)])
    assert trace.names == ("triton_poi_fused_add", "late")
    np.testing.assert_array_equal(trace.durations, [4000, 2500])


@pytest.mark.gpu
def test_kernels_on_a_gpu() -> None:
    inputs = {"x": INPUTS["x"].cuda()}
    found = record_torch(Tiny().cuda(), inputs, 3, compiled=False, threads=1)
    assert len(found) == 3
    assert all(len(trace.names) >= 4 and (trace.durations > 0).all() for trace in found)
    assert not any(name.startswith("aten::") for name in found[0].names)


@pytest.mark.slow
def test_a_compiled_model_runs_fused_loops() -> None:
    found = record_torch(Tiny(), INPUTS, 3, compiled=True, threads=1)
    names = found[0].names
    assert all(trace.names == names for trace in found)
    fused = [name for name in names if name.startswith("cpp_fused")]
    assert fused
    assert not any(name[-1].isdigit() for name in fused)
    assert "aten::batch_norm" not in names
    assert any("convolution" in name for name in names)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "tiny.onnx"
    from hubslice.verbs.execution.exporters import export_script

    export_script(Tiny(), INPUTS, path)
    return path


def test_onnx_runtime_fuses_where_it_may(graph: Path) -> None:
    feeds = {"x": INPUTS["x"].numpy()}
    plain = record_ort(graph, feeds, 4, level="none", threads=1, device="cpu")
    fused = record_ort(graph, feeds, 4, level="all", threads=1, device="cpu")
    assert (len(plain), len(fused)) == (4, 4)
    assert plain[0].names[:2] == ("Conv", "Relu")
    assert plain[0].names[-1] == "Gemm"
    assert "Relu" not in fused[0].names
    assert "Conv" in fused[0].names
    assert all(trace.durations.dtype == np.uint32 for trace in plain + fused)


def test_a_store_gives_back_what_was_recorded(tmp_path: Path) -> None:
    patterns = [pattern(0), pattern(1, events=7, runs=3)]
    save_patterns(tmp_path / "store.safetensors", patterns, SITE)
    found, site = load_patterns(tmp_path / "store.safetensors")
    assert site == SITE
    assert [(each.model, each.architecture, each.stack, each.settings) for each in found] == [
        (each.model, each.architecture, each.stack, each.settings) for each in patterns
    ]
    for one, other in zip(found, patterns, strict=True):
        assert [trace.names for trace in one.traces] == [trace.names for trace in other.traces]
        for mine, theirs in zip(one.traces, other.traces, strict=True):
            np.testing.assert_array_equal(mine.durations, theirs.durations)


def test_another_processor_changes_the_level_alone() -> None:
    trace = pattern(0).traces[0]
    slow, quick = timing(times(trace, 4)), timing(trace)
    assert slow["level"] - quick["level"] == pytest.approx(2, abs=0.01)
    for block in ("count", "curve", "rhythm", "quantiles"):
        np.testing.assert_allclose(slow[block], quick[block], atol=0.01)


def test_one_operator_that_was_held_up_moves_nothing() -> None:
    known = pattern(0, noise=0)
    held_up = []
    for number, trace in enumerate(known.traces):
        durations = trace.durations.copy()
        durations[number] += 10_000_000
        held_up.append(Trace(trace.names, durations))
    np.testing.assert_array_equal(combined(held_up).durations, known.traces[0].durations)


def test_names_and_their_time() -> None:
    one = Trace(("a", "b", "a"), np.array([1, 2, 1], np.uint32))
    other = Trace(("a", "b", "b"), np.array([1, 1, 2], np.uint32))
    assert unlike_pairs(pairs(one), pairs(one)) == 0
    assert unlike_pairs(pairs(one), pairs(other)) == pytest.approx(1 - 2 / 4)
    assert unlike_shares(shares(one), shares(other)) == pytest.approx(0.25)
    assert unlike_shares(shares(one), shares(renamed(one))) == 1


def test_distances_are_those_of_the_plain_definition() -> None:
    known = [pattern(seed, runs=3) for seed in range(3)]
    trace = pattern(1, session=1).traces[0]
    runs = [(timing(run), timing(each.typical)) for each in known for run in each.traces]
    found = Identifier(known).distances(trace, "durations")
    for row, each in enumerate(known):
        centre, blocks = timing(each.typical), []
        for block in BLOCKS["durations"]:
            terms = []
            for place, value in enumerate(timing(trace)[block]):
                about = [abs(run[block][place] - typical[block][place]) for run, typical in runs]
                scale = max(1.4826 * float(np.median(about)), FLOORS[block])
                terms.append(min(abs(value - centre[block][place]) / scale, 6) ** 2)
            blocks.append(sum(terms) / len(terms))
        assert found[row] == pytest.approx((sum(blocks) / len(blocks)) ** 0.5)


def test_noisy_runs_of_a_new_session_are_told_apart() -> None:
    identifier = Identifier([pattern(seed) for seed in range(8)])
    for seed in range(8):
        seen = pattern(seed, session=1, noise=0.3)
        for sight in ("names", "durations"):
            guess = identifier.guess(seen.traces, sight)
            assert (guess.best.model, guess.familiar) == (f"lab/p{seed}", True)
            assert guess.best.votes == len(seen.traces)
            assert guess.margin is not None
            assert guess.margin > 1.5


def test_an_attacker_who_sees_durations_alone_uses_no_name() -> None:
    identifier = Identifier([pattern(seed) for seed in range(4)])
    trace = pattern(2, session=1).traces[0]
    durations = identifier.distances(trace, "durations")
    np.testing.assert_array_equal(identifier.distances(renamed(trace), "durations"), durations)
    assert identifier.distances(renamed(trace), "names")[2] > 2 > identifier.distances(trace, "names")[2]


def test_a_network_that_nobody_recorded_is_not_familiar() -> None:
    guess = Identifier([pattern(seed) for seed in range(4)]).guess(pattern(9, events=55).traces, "durations")
    assert not guess.familiar


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small architectures, and a model of the second with other weights."""
    place = tmp_path_factory.mktemp("models")
    shapes = {"shallow": ((4, 8), (1, 1)), "deep": ((16, 16, 16), (3, 3, 3))}
    for name, (widths, depths) in shapes.items():
        TimmModel.create("hubslice_vgg", ("a", "b"), seed=0, widths=widths, depths=depths).save(place / "known" / name)
    widths, depths = shapes["deep"]
    TimmModel.create("hubslice_vgg", ("a", "b", "c"), seed=1, widths=widths, depths=depths).save(place / "child")
    return place


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path / "place")
    monkeypatch.chdir(tmp_path / "place")
    return tmp_path / "place"


QUICK = ("--stack", "eager", "--threads", "1", "--runs", "5")


@pytest.mark.slow
def test_the_command_names_whom_a_model_runs_like(place: Path, hubslice: Hubslice) -> None:
    arguments = ("execution", "child", "--against", "known/shallow", "known/deep", *QUICK)
    done = hubslice(*arguments, "--out", "told", "--json")
    assert (done.code, done.stderr) == (0, "")
    found = Execution.model_validate_json(done.stdout)
    assert (found.known, found.architecture, found.skipped, found.elsewhere) == (2, "hubslice_vgg", {}, ())
    (seen,) = found.observations
    assert (seen.stack, seen.runs, seen.settings.threads, seen.differing) == ("eager", 5, 1, ())
    assert {guess.sight: guess.best.model for guess in seen.guesses} == {
        "names": "known/deep",
        "durations": "known/deep",
    }
    assert sorted(path.name for path in (place / "told").iterdir()) == [
        "distances.csv",
        "execution.json",
        "timelines.png",
    ]
    assert Execution.load(place / "told/execution.json") == found
    rows = list(csv.DictReader((place / "told/distances.csv").read_text().splitlines()))
    assert [(row["seen"], row["rank"]) for row in rows] == [
        ("names", "1"),
        ("names", "2"),
        ("durations", "1"),
        ("durations", "2"),
    ]
    assert (place / "told/timelines.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_store_in_their_place(place: Path, hubslice: Hubslice) -> None:
    done = hubslice("patterns", "known", "--out", "store.safetensors", *QUICK, "--batch", "2", "--json")
    assert (done.code, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["patterns"] == ["known/deep on eager", "known/shallow on eager"]
    assert told["bytes"] == (place / "store.safetensors").stat().st_size < 20_000
    found = package.execution("child", store="store.safetensors", runs=5)
    (seen,) = found.observations  # on the stack of the store, in its batches
    assert (seen.stack, seen.settings.inputs["pixel_values"][0], seen.differing) == ("eager", 2, ())
    assert seen.guesses[0].best.model == "known/deep"
    shown = hubslice("execution", "child", "--store", "store.safetensors", "--batch", "1")
    assert shown.code == 0
    assert "on eager the nearest pattern was recorded otherwise (inputs: [(2, 3, 32, 32)], here [(1," in shown.stderr
    assert "names and durations" in shown.stdout


def test_a_graph_as_it_is(graph: Path, place: Path, hubslice: Hubslice) -> None:
    shutil.copy(graph, place / "given.onnx")
    done = hubslice("execution", "given.onnx", "--input-size", "12", "--threads", "1", "--json")
    assert done.code == 0
    found = Execution.model_validate_json(done.stdout)
    assert [(seen.stack, seen.events > 2) for seen in found.observations] == [("ort-none", True), ("ort-all", True)]
    assert (found.skipped, done.stderr) == ({}, "")
    asked = ("--stack", "ort-all", "--stack", "eager")
    done = hubslice("execution", "given.onnx", "--input-size", "12", *asked)
    assert "warning: given.onnx was not recorded on eager: an ONNX file is recorded as it is" in done.stderr


@pytest.mark.slow
def test_every_exporter_leaves_its_own_pattern(place: Path) -> None:
    stacks = [name for name in STACKS if name != "compiled"]
    found = package.execution("known/shallow", stacks=stacks, runs=3, threads=1)
    assert [seen.stack for seen in found.observations] == stacks
    assert (found.skipped, found.resembles) == ({}, None)
    events = {seen.stack: seen.events for seen in found.observations}
    assert events["ort-none"] < events["ort-none-plain"]
    assert events["ort-none-script"] < events["ort-none-plain"]
