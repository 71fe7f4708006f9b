"""What a kill leaves half-written or half-dropped: the step is finished all the same, and nothing of it stays."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from hubslice.core.progress import Silent
from hubslice.engine.execution import execute
from hubslice.engine.run_folder import MANIFEST, NOTES, RunFolder, RunManifest
from hubslice.engine.step import SCRATCH, Context, Step, digest_folder
from tests.run.lives import fork, outlive, strays

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@dataclass(frozen=True, kw_only=True)
class Train(Step):
    """Like training: the weights lie in the checkpoints, told finished by a file beside them."""

    kind: ClassVar[str] = "train"

    @property
    def title(self) -> str:
        return "Train"

    def run(self, context: Context) -> None:
        kept = context.scratch / "candidate"
        if not (kept / "history").is_file():
            kept.mkdir(exist_ok=True)
            (kept / "weights").write_text("weights")
            (kept / "history").write_text("history")
        (context.out / "weights").write_text((kept / "weights").read_text())


def live(run: RunFolder) -> None:
    with run.working():
        execute([Train()], run, torch.device("cpu"), Silent())


def test_killed_while_checkpoints_are_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    RunManifest(origin="recipe.yaml", base=".").save(run.path / MANIFEST)

    def die_half_way(folder: Path, **_: object) -> None:
        if folder.name == SCRATCH:
            (folder / "candidate" / "weights").unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patched:
        patched.setattr("shutil.rmtree", die_half_way)
        assert outlive(fork(lambda: live(run))) == -signal.SIGKILL
    finished = run.record("train")
    assert finished is not None
    assert (run.step("train") / SCRATCH).is_dir()
    assert digest_folder(run.step("train"), leave_out=NOTES)[0] == finished.digest

    live(run)
    assert run.record("train") == finished
    assert not (run.step("train") / SCRATCH).exists()
    assert (run.step("train") / "weights").read_text() == "weights"
    assert strays(run.path) == []


def test_killed_while_weights_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Safetensors writes to a file of its own beside the one it is to be; it must not become part of the result."""
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    RunManifest(origin="recipe.yaml", base=".").save(run.path / MANIFEST)

    def die_half_way(path: Path, text: str) -> None:
        if path.parent == run.partial("train"):
            path.with_name(".tmpQOJb8K").write_bytes(text[:3].encode())
            os.kill(os.getpid(), signal.SIGKILL)
        path.write_bytes(text.encode())

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", die_half_way)
        assert outlive(fork(lambda: live(run))) == -signal.SIGKILL
    assert [path.name for path in run.partial("train").rglob(".tmp*")] == [".tmpQOJb8K"]
    live(run)
    assert strays(run.path) == []
