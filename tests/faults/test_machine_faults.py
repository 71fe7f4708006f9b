"""The machine gives out: a second run in the same folder, a full or read-only disk, too little memory, Ctrl-C."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
import torch
from filelock import FileLock
from safetensors import SafetensorError

import hubslice as api
from hubslice.app import app
from hubslice.core.errors import DataError, FetchError
from hubslice.core.machine import machine_fault
from hubslice.engine.run_folder import undisturbed
from hubslice.models.timm_adapter import TimmModel
from hubslice.terminal.hints import options_of
from hubslice.training import loop
from tests.faults.conftest import Refused
from tests.run.lives import SMALL, result, strays
from tests.run.tiny import write_job
from tests.terminal.conftest import Hubslice

HOLD = """
import sys
from pathlib import Path
from hubslice.engine.folder_lock import alone_in
with alone_in(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe beside its teacher and data."""
    return write_job(tmp_path_factory.mktemp("job"), SMALL)


@pytest.fixture(scope="module")
def begun(job: Path) -> Path:
    """A run that is initialised and not yet trained."""
    return api.slice(job, out=job.parent / "begun", until="init", device="cpu").path


@contextmanager
def held(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the folder."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def files(folder: str) -> list[Path]:
    return sorted(path for path in Path(folder).rglob("*") if not path.name.startswith(".running"))


@pytest.mark.slow
def test_two_at_once_in_one_folder(job: Path, refused: Refused, hubslice: Hubslice) -> None:
    run, poisoned, pulled = (str(job.parent / name) for name in ("held", "poisoned", "pulled"))
    assert hubslice("slice", str(job), "--out", run, "--until", "data").code == 0
    Path(poisoned).mkdir()
    Path(pulled).mkdir()
    for folder, commands in {
        run: (
            ("slice", str(job), "--out", run),
            ("slice", run),
            ("card", run),
            ("audit", run),
            ("push", run, "alice/student"),
            ("push", f"{run}/student", "alice/student"),
            ("verify", run),
            ("verify", f"{run}/student"),
            ("convert", run, "--to", "onnx"),
            ("convert", f"{run}/student", "--to", "compact"),
            ("convert", str(job.parent / "teacher"), "--to", "onnx", "--out", f"{run}/onnx"),
        ),
        poisoned: (("poison", str(job.parent / "poison.yaml"), "--out", poisoned),),
        pulled: (("pull", str(job.parent / "teacher"), "--out", pulled),),
    }.items():
        before = files(folder)
        with held(Path(folder)) as holder:
            for command in commands:
                says = (f"{folder} is in use by process {holder.pid} on ", "since 2", "wait until it is done")
                found = refused(*command, code=2, says=says)
                assert ("--out" in found.stderr) == ("--out" in options_of(app, command))
        assert files(folder) == before
    # The holder was killed: nothing is left of its lock. And nobody keeps themselves out.
    with undisturbed(Path(run), Path(run) / "onnx"):
        assert files(run)
    assert hubslice("info", run).code == 0
    assert hubslice("slice", str(job), "--out", run, "--until", "data").code == 0
    assert strays(Path(run)) == []


def test_a_file_system_without_locks_is_told(
    job: Path, hubslice: Hubslice, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class NoLock(FileLock):
        def acquire(self, *_: object, **__: object) -> NoReturn:
            raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("hubslice.engine.folder_lock.FileLock", NoLock)
    with pytest.warns(RuntimeWarning, match="has no locks: see to it that no second hubslice works there"):
        assert hubslice("slice", str(job), "--out", str(tmp_path / "run"), "--until", "data").code == 0


@contextmanager
def unprivileged() -> Iterator[None]:
    """As a user whom the rights of files bind; root becomes nobody for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_folders_that_cannot_be_written(job: Path, refused: Refused, hubslice: Hubslice) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in (folder, job.parent.parent, job.parent):
            path.chmod(0o755)
        (folder / "file").write_text("mine")
        cases = {
            "file": "is a file, not a folder",
            "file/run": "a part of this path is a file, not a folder",
            "n" * 300: "the path is too long",
        }
        for place, says in cases.items():
            refused("slice", str(job), "--out", str(folder / place), code=2, says=(says, "--out"))
            refused("pull", str(job.parent / "teacher"), "--out", str(folder / place), code=2, says=(says, "--out"))
        closed = folder / "closed"
        closed.mkdir(mode=0o555)
        shutil.copytree(job.parent, folder / "job", ignore=shutil.ignore_patterns("begun", "held", "p*ed"))
        with unprivileged():
            says = (f"cannot use {closed}/", "this user has no right to", "choose another folder with --out")
            for out in (closed / "run", closed / "deep" / "run"):
                refused("slice", str(folder / "job" / "recipe.yaml"), "--out", str(out), code=2, says=says)
        assert not list(closed.iterdir())
        assert (folder / "file").read_text() == "mine"
        # A missing parent is made.
        assert hubslice("slice", str(job), "--out", str(folder / "a/b"), "--until", "data").code == 0


FULL = OSError(errno.ENOSPC, "No space left on device", "/nowhere/model.safetensors")


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FULL, r"cannot write /nowhere/model.safetensors: the disk is full \(\d"),
        (SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"), "disk is full"),
        (SafetensorError("I/O error: File too large (os error 27)"), "allows no file of that size"),
        (OSError("[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device"), "disk is full"),
        (caused(DataError("no such data"), caused(RuntimeError("An error occurred"), FULL)), "the disk is full"),
        (caused(FetchError("cannot fetch"), OSError(errno.EDQUOT, "Disk quota exceeded")), "quota"),
        (OSError(errno.EROFS, "Read-only file system", "/mnt/run"), "/mnt/run: the file system is read-only"),
        (MemoryError(), "out of memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), "out of memory .*2.00 GiB"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"),
            "9 bytes",
        ),
        (RuntimeError("Failed to allocate memory for requested buffer of size 12"), "of size 12"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_every_librarys_words_for_it(error: Exception, message: str) -> None:
    fault = machine_fault(error)
    assert fault is not None
    assert fault.exit_code == 2
    with pytest.raises(type(fault), match=message):
        raise fault
    assert fault.hint


@pytest.mark.parametrize("error", [FileNotFoundError(2, "No such file"), ValueError("x"), DataError("y")])
def test_other_errors_are_not_the_machines(error: Exception) -> None:
    assert machine_fault(error) is None


@pytest.mark.slow
def test_a_full_disk_delays_a_run_and_no_more(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.faults.full_disk", str(tmp_path)]
    unshare = ["unshare", "--user", "--map-root-user", "--mount"]
    mounts = shutil.which("unshare") and subprocess.run([*unshare, "true"], check=False).returncode == 0
    done = subprocess.run([*unshare, *command] if mounts else command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told) == ({"writes", "tmpfs"} if mounts else {"writes"})
    for way in told.values():
        assert len(way["said"]) >= 5
        for said in way["said"]:
            assert said.startswith("2 error: cannot write "), said
            assert "the disk is full (" in said, said
            assert "MiB free) hint: free space there, then give the same command again" in said
            assert "Traceback" not in said
        assert way["same"]
        assert way["left"] == []


def small_memory(monkeypatch: pytest.MonkeyPatch, images: int, *, training: bool) -> None:
    """A device whose memory holds no more images than these at once, in training or out of it."""
    forward = TimmModel.forward

    def limited(self: TimmModel, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        if len(inputs["pixel_values"]) > images and self.module.training == training:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return forward(self, inputs)

    monkeypatch.setattr(TimmModel, "forward", limited)


@pytest.mark.slow
def test_too_little_memory(
    begun: Path, tmp_path: Path, refused: Refused, hubslice: Hubslice, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(begun, tmp_path / "run")
    with monkeypatch.context() as patch:
        small_memory(patch, 8, training=True)
        says = ("out of memory in training with 16 samples a step (CUDA out of memory", "train.batch_size=8")
        refused("slice", str(run), "--quiet", code=2, says=says)
        assert hubslice("slice", str(run), "train.batch_size=8", "--until", "train", "--quiet").code == 0
    # Out of training the batch is halved, and halved again; nobody sees a difference.
    whole = shutil.copytree(run, tmp_path / "whole")
    assert hubslice("slice", str(whole), "--quiet").code == 0
    small_memory(monkeypatch, 3, training=False)
    assert hubslice("slice", str(run), "--quiet").code == 0
    assert result(run)["report"]["arms"] == result(whole)["report"]["arms"]
    assert result(run)["report"]["defects"] == result(whole)["report"]["defects"]
    small_memory(monkeypatch, 0, training=False)
    refused("audit", str(run), "--force", "--quiet", code=2, says=("out of memory with a single sample", "input_size"))
    assert strays(run) == ["steps/.audit.backdoor"]  # under way


@pytest.mark.slow
def test_ctrl_c_in_training(
    begun: Path, tmp_path: Path, refused: Refused, hubslice: Hubslice, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, run = (shutil.copytree(begun, tmp_path / name) for name in ("whole", "run"))
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0)
    assert hubslice("slice", str(whole), "--quiet").code == 0
    save, saved = loop.save_checkpoint, list[int]()

    def interrupted(*arguments: object) -> None:
        save(*arguments)  # type: ignore[arg-type]
        saved.append(1)
        if len(saved) == 3:
            signal.raise_signal(signal.SIGINT)

    usual = signal.signal(signal.SIGINT, signal.default_int_handler)  # test workers may ignore it
    try:
        with monkeypatch.context() as patch:
            patch.setattr(loop, "save_checkpoint", interrupted)
            refused("slice", str(run), "--quiet", code=130, says=("interrupted", "give the same command again"))
    finally:
        signal.signal(signal.SIGINT, usual)
    assert strays(run) == ["steps/.train"]
    assert not (run / "student").exists()
    assert hubslice("slice", str(run), "--quiet").code == 0
    assert result(run) == result(whole)
    assert strays(run) == []
