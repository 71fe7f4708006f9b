"""What is seen of work under way: one kind of line, whatever library does the work; nothing where it is to be quiet."""

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from rich.console import Console

from hubslice.core.errors import DataError
from hubslice.core.library_bars import SWITCHES
from hubslice.core.progress import Reporter, stage
from hubslice.engine.execution import execute
from hubslice.engine.run_folder import RunFolder
from hubslice.engine.step import Context, Step
from hubslice.terminal import reporters
from hubslice.terminal.output import out
from hubslice.terminal.reporters import Lines, Live
from tests import warm
from tests.fake_hub import HubServer, User
from tests.run.tiny import RECIPE, write_job

TEACHER = "hubslice-tests/tiny-teacher"
DATASET = "hubslice-tests/shapes"
SHORT = (
    RECIPE.replace("[finetune, retrain, magnitude, random]", "[finetune]")
    .replace(", clean_teacher: ./teacher", "")
    .replace("./teacher", TEACHER)
    .replace("./shapes.parquet", DATASET)
)
COMMANDS = (
    ("pull", TEACHER, "--input-size", "64", "--out", "pulled"),
    ("pull", TEACHER, "--dry-run"),
    ("slice", "recipe.yaml", "--out", "run"),
    ("slice", "recipe.yaml", "--out", "other", "--dry-run"),
    ("push", "run", "alice/student"),
    ("push", "run", "alice/difference", "--delta"),
    ("verify", "alice/student", "--full"),
    ("verify", "alice/difference"),
    ("info", "run"),
    ("convert", "alice/student", "--to", "int8", "--data", "shapes.parquet", "--out", "int8"),
    ("convert", "run", "--to", "distilled", "--into", TEACHER, "--epochs", "1", "--min-agreement", "0"),
    ("latency", "alice/student", "run", "--rounds", "5"),
    ("explain", "alice/student", "--inputs", "shapes.parquet", "--out", "why"),
    ("diff", "run", "int8/model.onnx", "--inputs", DATASET, "--budget", "20", "--limit", "5", "--out", "diff"),
    ("lineage", "alice/student", "--candidates", TEACHER, "--out", "lineage"),
    ("exposure", "alice/student", "--teacher", TEACHER, "--data", "shapes.parquet"),
    ("lineage", "index", TEACHER, "--out", "index.safetensors"),
)
# Of each library that draws bars one: the Hub's client on the way down and up, datasets from files and from the Hub,
# training, calibration and a search. The others use the same ones.
SAMPLE = tuple(COMMANDS[number] for number in (0, 2, 4, 9, 13))


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    with HubServer(tmp_path_factory.mktemp("hub"), tokens={"hf_alice": User("alice", role="write")}) as server:
        yield server


def seeded_job(folder: Path, hub: HubServer) -> None:
    write_job(folder, SHORT)
    (folder / "teacher" / "README.md").write_text("---\nlicense: mit\nlibrary_name: timm\n---\n# Tiny teacher\n")
    hub.seed(TEACHER, folder / "teacher")
    rows, card = (folder / "shapes.parquet").read_bytes(), b"---\nlicense: mit\n---\n# Shapes\n"
    hub.seed(DATASET, {"data/train-00000.parquet": rows, "README.md": card}, kind="datasets")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "commands"),
    [
        pytest.param(("--quiet",), SAMPLE, id="quiet"),
        pytest.param((), SAMPLE[:3], id="piped"),
        pytest.param(("--quiet",), COMMANDS, id="all-quiet", marks=pytest.mark.deep),
        pytest.param((), COMMANDS[:6], id="all-piped", marks=pytest.mark.deep),
    ],
)
def test_no_library_draws_bars(
    tmp_path: Path, hub: HubServer, how: tuple[str, ...], commands: tuple[tuple[str, ...], ...]
) -> None:
    """Also where the user's own settings say that they shall."""
    seeded_job(tmp_path, hub)
    environment = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    environment |= hub.env(tmp_path / "home", "hf_alice")
    environment |= {"HUBSLICE_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(Path.cwd())}
    environment |= dict.fromkeys(SWITCHES[:2], "0")
    for command in commands:
        done = warm.run("-m", "hubslice", *command, *how, env=environment, cwd=tmp_path)
        assert done.returncode in (0, 1), (command, done.stderr)
        told = done.stdout + done.stderr
        assert not any(mark in told for mark in ("\r", "%|", "it/s", "B/s", "\x1b")), (command, told)
        if how:
            told_always = ("warning: ", "error: ", "hint: ", "  ")
            assert [line for line in done.stderr.splitlines() if not line.startswith(told_always)] == []


def told_until(capsys: pytest.CaptureFixture[str], wanted: str) -> str:
    """What is told until this comes, or for a minute."""
    told, end = "", time.monotonic() + 60
    while wanted not in told and time.monotonic() < end:
        time.sleep(0.02)
        told += capsys.readouterr().err
    return told


def untimed(told: str) -> list[str]:
    """The lines, with the same number of seconds in all."""
    return re.sub(r"\d+(\.\d+)? s\b", "N s", told).splitlines()


def test_nothing_takes_long_in_silence(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporters, "_FIRST", 0.2)
    monkeypatch.setattr(reporters, "_LOOK", 0.02)
    lines, started = Lines(), time.monotonic()
    with stage(lines, "export", "Export to ONNX"):
        told = told_until(capsys, "so far")
        with lines.track("Read", 12, "images") as bar:
            bar.advance(3)
            told += told_until(capsys, "Read: 3/12 images")
        time.sleep(0.5)
    lines.stop()
    told += capsys.readouterr().err
    assert untimed(told)[:2] == ["export: Export to ONNX ...", "export: N s so far"]
    assert "Read: 3/12 images" in told.splitlines()
    assert untimed(told)[-1] == "export: done in N s"
    assert 0.5 <= float(told.split()[-2]) <= time.monotonic() - started + 0.1
    time.sleep(0.3)
    assert capsys.readouterr().err == ""


def test_what_has_no_stage_is_told_of_too(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporters, "_FIRST", 0.1)
    monkeypatch.setattr(reporters, "_LOOK", 0.02)
    out.progress()
    told = told_until(capsys, "\n")
    out.close()
    assert untimed(told)[:1] == ["still at work: N s so far"]


def test_a_spinner_tells_what_has_passed() -> None:
    screen = io.StringIO()
    live = Live(Console(file=screen, force_terminal=True, width=80))
    with stage(live, "export", "Export to ONNX"):
        time.sleep(1.3)
        live._progress.refresh()
    live.stop()
    assert re.search(r"[1-9]\d* s", screen.getvalue().partition("✓")[0])
    assert "Export to ONNX" in screen.getvalue().partition("✓")[2]


def fails_twice(reporter: Reporter) -> None:
    """A commit, say, that is tried again."""
    for number in range(3):
        with suppress(RuntimeError), stage(reporter, "commit", "Commit to a/b"):
            if number < 2:
                raise RuntimeError


def test_a_stage_that_fails_leaves_no_line_behind(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporters, "_FIRST", 0.1)
    monkeypatch.setattr(reporters, "_LOOK", 0.02)
    lines = Lines()
    fails_twice(lines)
    told = [line for line in untimed(capsys.readouterr().err) if not line.endswith("so far")]
    assert told[:4] == ["commit: Commit to a/b ...", "commit: stopped after N s"] * 2
    assert told[4:] == ["commit: Commit to a/b ...", "commit: done in N s"]
    time.sleep(0.3)
    assert capsys.readouterr().err == ""
    lines.stop()


def test_a_stage_that_fails_leaves_no_spinner_behind() -> None:
    screen = io.StringIO()
    live = Live(Console(file=screen, force_terminal=True, width=80))
    fails_twice(live)
    assert not live._progress.task_ids
    assert screen.getvalue().count("✓") == 1


@dataclass(frozen=True, kw_only=True)
class Fail(Step):
    kind: ClassVar[str] = "data"

    @property
    def title(self) -> str:
        return "Data"

    def run(self, context: Context) -> None:
        raise DataError("no images")


def test_a_step_of_a_run_that_fails_leaves_no_spinner_behind(tmp_path: Path) -> None:
    live = Live(Console(file=io.StringIO(), force_terminal=True, width=80))

    with pytest.raises(DataError):
        execute([Fail()], RunFolder(tmp_path), torch.device("cpu"), live)
    assert not live._progress.task_ids
