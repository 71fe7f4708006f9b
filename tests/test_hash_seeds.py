"""The same answer twice: what is written does not follow the order that Python gives sets, another in each process."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.seeded import AFTER, COMMANDS, write_inputs

pytestmark = pytest.mark.slow

FIRST, SECOND, THIRD = "0", "1", "2"
# Two processes whose sets differ in order show what follows it; a third order and random ones show no other kind.
OTHERS = [SECOND, pytest.param(THIRD, marks=pytest.mark.deep)]
Lives = Callable[[str], Path]
# Fields of JSON files that tell of time and memory, wherever they are.
MEASURED = {"seconds", "peak_mib"}
# Fields that follow from those: of the step that writes the report, and of the report in the lock.
FOLLOWS = {"steps/report/step.json": {"digest", "size"}}
REPORT = "report.json"


def live(folder: Path, seed: str, commands: tuple[str, ...]) -> None:
    """The commands in a fresh process whose sets have the order of this seed; `random`: another one each time."""
    environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-W", "error", "-m", "tests.seeded", *commands]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder)
    return folder


@pytest.fixture(scope="module")
def lives(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Lives:
    """What one process a seed wrote, all in a folder of the same name; the later ones go on from the first one's."""
    place = tmp_path_factory.mktemp("lives")

    @cache
    def lived(seed: str) -> Path:
        before = None if seed == FIRST else lived(FIRST)
        work = place / "work"
        shutil.copytree(inputs, work)
        for name in ("detect", "explain-data") if before else ():
            shutil.copytree(lived(FIRST) / name, work / "before" / name)
        live(work, seed, COMMANDS + (AFTER if before else ()))
        shutil.rmtree(work / "before", ignore_errors=True)
        return work.rename(place / f"seed-{seed}")

    return lived


def without_time(path: Path, name: str) -> object:
    """A file's content, but for the fields that tell what time and memory were used."""
    content = path.read_bytes()
    if path.name == "README.md":
        return re.sub(rb"(?m)^\| Time \|.*$", b"", content)
    if path.suffix not in {".json", ".lock"}:
        return content
    dropped = MEASURED.union(*(fields for end, fields in FOLLOWS.items() if name.endswith(end)))

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            if value.get("path") == REPORT:
                return REPORT
            return [(key, clean(each)) for key, each in value.items() if key not in dropped]  # in their order
        return [clean(each) for each in value] if isinstance(value, list) else value

    return clean(json.loads(content))


@pytest.mark.parametrize("seed", OTHERS)
def test_every_byte_is_the_same(seed: str, lives: Lives) -> None:
    first, other = lives(FIRST), lives(seed)
    names = [
        {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        for folder in (first, other)
    ]
    names[1] = {name for name in names[1] if not name.startswith("explain-after/")}
    assert names[0] == names[1]
    assert len([name for name in names[0] if name.endswith(".onnx")]) >= 5
    assert {name.partition("/")[0] for name in names[0]} >= {"remos", "seam", "nnslicer", "poison", "explain", "diff"}
    differing = [
        name for name in sorted(names[0]) if without_time(first / name, name) != without_time(other / name, name)
    ]
    assert not differing


@pytest.mark.deep
def test_what_one_process_wrote_another_takes(lives: Lives) -> None:
    """`live` saw no error; the profile that another process stored explains as the data do that it was made of."""
    pairs = [(lives(seed) / "explain-after" / "slice.safetensors").read_bytes() for seed in (SECOND, THIRD)]
    assert pairs[0] == pairs[1]


@pytest.mark.parametrize(("first", "second"), [("1", "2"), pytest.param("random", "random", marks=pytest.mark.deep)])
def test_fit_then_check_and_explain_by_a_stored_profile(first: str, second: str, inputs: Path, tmp_path: Path) -> None:
    """As users do it, each in a process of its own: with orders that differ, and with whatever order it is given."""
    work = shutil.copytree(inputs, tmp_path / "work")
    wrote = (
        "detect fit colours --data clean.npy --out guard --device cpu",
        "explain colours --inputs few.npy --out why --device cpu",
    )
    takes = (
        "detect check colours --detector guard --inputs few.npy --device cpu",
        "detect check guard --inputs few.npy --device cpu",
        "explain colours --inputs few.npy --data why/means.safetensors --out again --device cpu",
    )
    live(work, first, wrote)
    live(work, second, takes)
    whys = [json.loads((work / name / "explanation.json").read_text()) for name in ("why", "again")]
    assert whys[0]["model_hash"] == whys[1]["model_hash"]
    assert whys[0]["layers"] == whys[1]["layers"]
