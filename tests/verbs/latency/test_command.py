"""Models measured side by side: a folder, a graph of the same, and a smaller one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import hubslice as package
from hubslice.graph.deployable import write_onnx
from hubslice.models.from_architecture import create_model
from hubslice.recipe.schema import TeacherParams
from tests.terminal.conftest import Hubslice, hubslice

pytestmark = pytest.mark.slow
__all__ = ["hubslice"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name, widths in (("large", (16, 96)), ("small", (8, 16))):
        teacher = TeacherParams(
            model="hubslice_vgg", weights="random", arguments={"widths": widths, "depths": (1, 2)}, input_size=32
        )
        model = create_model(teacher, 0)
        model.save(folder / name)
        if name == "large":
            write_onnx(model, folder / "large.onnx")
    return folder


def test_ratios_are_to_the_first(place: Path) -> None:
    models = [place / "large", place / "large.onnx", place / "small"]
    found = package.latency(models, batches=(1, 4), threads=1, rounds=10)
    large, same, small = found.models
    assert (found.threads, found.input_size) == (1, (3, 32, 32))
    assert (large.kind, same.kind) == ("folder", "onnx")
    assert large.file_bytes == (place / "large" / "model.safetensors").stat().st_size
    assert same.file_bytes == (place / "large.onnx").stat().st_size
    assert same.macs == large.macs
    assert large.macs is not None
    assert small.macs is not None
    assert small.ratios["macs"] == small.macs / large.macs
    assert small.ratios["parameters"] == small.parameters / large.parameters < 0.1
    assert set(large.ratios.values()) == {1.0}
    for index, batch in enumerate((1, 4)):
        assert large.timings[index].ratio == 1
        assert small.timings[index].ratio < 0.8, "a tenth of the multiplications"
        assert small.timings[index].batch == batch
        assert small.timings[index].p10_ms <= small.timings[index].median_ms <= small.timings[index].p90_ms
        assert small.timings[index].runs >= 30
    assert all(cost.added_mib is not None and 0 < cost.added_mib < 1000 for cost in found.models)


def test_the_command_tells_people_and_machines(place: Path, hubslice: Hubslice) -> None:
    command = ("latency", str(place / "large.onnx"), str(place / "small"), "--no-memory", "--rounds", "5", "-b", "2")
    people = hubslice(*command)
    assert people.code == 0
    table, foot = people.stdout.split("\n\n")
    head, first, second = (line.split("\t") for line in table.splitlines())
    assert head[:3] == ["MODEL", "TIME AT BATCH 2 (ms)", "TIME AT BATCH 2 P10 (ms)"]
    assert head[-2:] == ["MEMORY AT BATCH 2 (MiB)", "MEMORY AT BATCH 2 TO FIRST"]
    assert first[0] == str(place / "large.onnx")
    ratios = [place for place, title in enumerate(head) if title.endswith(" TO FIRST")]
    assert {first[place] for place in ratios} == {""}
    assert sum(second[place].startswith("0.") for place in ratios) >= 3
    assert all(float(number) > 0 for number in second[1:-2])
    assert foot.startswith("images of 3 x 32 x 32 on cpu, ")
    machines = json.loads(hubslice(*command, "--json").stdout)
    assert [model["kind"] for model in machines["models"]] == ["onnx", "folder"]
    assert machines["models"][0]["added_mib"] is None
    assert hubslice(*command, "--quiet").stdout == f"{place / 'small'}\n"
