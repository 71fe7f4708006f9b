"""SIGTERM, as schedulers and containers send it, and SIGHUP end a command as cleanly as Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

WORK = """
import multiprocessing, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from hubslice.core.artefact import DRAFT
from hubslice.app import app
from hubslice.console import main
from hubslice.terminal.options import JsonOption
from hubslice.terminal.output import out
from hubslice.engine.folder_lock import alone_in

def ready():
    Path("ready").touch()
    time.sleep(60)

def alone():
    ready()

def threads():
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(time.sleep, [0.2, 0.2]))
        pool.submit(time.sleep, 0.5)
        ready()

def worker():
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,), daemon=True)
    child.start()
    Path("ready").touch()
    child.join()
    raise RuntimeError("a worker is gone")  # as PyTorch does, mostly before the signal is heard

class Last:
    def __del__(self):
        ready()

def collected():
    last = Last()
    del last  # no exception leaves what is called here
    time.sleep(60)

def draft():
    with TemporaryDirectory(dir=".", suffix=DRAFT) as folder:
        Path(folder, "part").touch()
        ready()

@app.command()
def work(how: str, as_json: JsonOption = False):
    with alone_in(Path.cwd()):
        {"alone": alone, "collected": collected, "threads": threads, "worker": worker, "draft": draft}[how]()

main()
"""


SENT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# A package that is used while it is imported, and one that swallows what is raised in it.
SLOW = """
import time
from pathlib import Path
Path("ready").touch()
try:
    while not Path("sent").exists():
        time.sleep(0.01)
except BaseException:
    pass
whole = True
"""
IMPORTING = """
from hubslice.app import app
from hubslice.console import main

@app.command()
def work():
    try:
        import slow
    finally:
        import slow
        print(slow.whole)
    import time
    time.sleep(60)

main()
"""


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """The signals have their usual effect, also where the tests themselves run under nohup."""
    before = {sent: signal.signal(sent, signal.SIG_DFL) for sent in SENT}
    yield
    for sent, handler in before.items():
        signal.signal(sent, handler)


def ended(place: Path, sent: int, how: str, *options: str, group: bool = False) -> subprocess.CompletedProcess[str]:
    """The command, sent the signal once it is at work: to its process, or to its whole group."""
    (place / "work.py").write_text(WORK)
    command = [sys.executable, "work.py", "work", how, *options]
    with subprocess.Popen(
        command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while not (place / "ready").exists() and process.poll() is None:
            time.sleep(0.05)
        if group:
            os.killpg(process.pid, sent)
        else:
            process.send_signal(sent)
        stdout, stderr = process.communicate(timeout=60)
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def test_ctrl_c_is_not_lost_either(tmp_path: Path) -> None:
    found = ended(tmp_path, signal.SIGINT, "collected")
    assert (found.returncode, "Traceback" in found.stderr) == (130, False)


@pytest.mark.parametrize("how", ["alone", "threads", "draft", "collected"])
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP], ids=lambda sent: sent.name)
def test_it_ends_cleanly(sent: signal.Signals, how: str, tmp_path: Path) -> None:
    found = ended(tmp_path, sent, how)
    assert found.returncode == 128 + sent
    told = found.stderr.splitlines()
    assert told[0] == f"error: ended by {sent.name}"
    assert told[1].startswith("hint: give the same command again")
    assert len(told) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"work.py", "ready", ".running"}


def test_a_worker_that_ends_with_it_is_not_told(tmp_path: Path) -> None:
    found = ended(tmp_path, signal.SIGTERM, "worker", group=True)
    assert (found.returncode, found.stderr.splitlines()[0]) == (143, "error: ended by SIGTERM")
    assert "Traceback" not in found.stderr
    assert not (tmp_path / ".running.json").exists()


def test_as_json(tmp_path: Path) -> None:
    found = ended(tmp_path, signal.SIGTERM, "alone", "--json")
    assert found.returncode == 143
    assert json.loads(found.stderr)["exit_code"] == 143


def test_what_nohup_ignores_stays_ignored(tmp_path: Path) -> None:
    code = "import signal; from hubslice.terminal import ending\nwith ending.ended_by_signals(): signal.raise_signal(1)"
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (done.returncode, done.stderr) == (0, b"")


def at_once(command: list[str], place: Path, sent: int, when: float | Path) -> tuple[int, str, str]:
    """The command, sent the signal after so many seconds, or when there is such a file."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        command, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        if isinstance(when, Path):
            while not when.exists() and process.poll() is None:
                time.sleep(0.01)
        else:
            time.sleep(when)
        process.send_signal(sent)
        (place / "sent").touch()  # what waits in an import goes on
        stdout, stderr = process.communicate(timeout=60)
    return process.returncode, stdout, stderr


@pytest.mark.parametrize("sent", SENT, ids=lambda sent: sent.name)
def test_an_import_is_not_left_by_half(sent: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "work.py").write_text(IMPORTING)
    code, stdout, stderr = at_once([sys.executable, "work.py", "work"], tmp_path, sent, tmp_path / "ready")
    assert (code, stdout) == (128 + sent, "True\n")
    told = "interrupted" if sent == signal.SIGINT else f"ended by {sent.name}"
    assert stderr.splitlines()[0] == f"error: {told}"
    assert len(stderr.splitlines()) == 2


# Stands in for what the command line imports, at its very beginning and at its end.
WAITING = """
import sys, time
from pathlib import Path
from hubslice import console

class Waiting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            Path("ready").touch()
            while not Path("sent").exists():
                time.sleep(0.01)

sys.meta_path.insert(0, Waiting())
sys.argv[1:] = ["verify", "there-is-none", *{more!r}]
console.main()
"""


MODULES = ("hubslice.app", "pydantic", "hubslice.verbs.verify.service")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "module"),
    [  # every signal in one import, and every import with one signal
        pytest.param(sent, module, id=f"{sent.name}-{module}", marks=() if not row or not column else pytest.mark.deep)
        for row, sent in enumerate(SENT)
        for column, module in enumerate(MODULES)
    ],
)
def test_signals_are_heard_during_imports(sent: signal.Signals, module: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WAITING.format(module=module, more=["--json"])]
    code, stdout, stderr = at_once(command, tmp_path, sent, tmp_path / "ready")
    assert (code, stdout) == (128 + sent, "")
    assert json.loads(stderr)["exit_code"] == 128 + sent


def test_an_error_after_a_signal_is_not_told_instead(tmp_path: Path) -> None:
    code = (
        "import signal\nfrom hubslice.app import app\nfrom hubslice.console import main\n@app.command()\n"
        "def work():\n try: signal.raise_signal(signal.SIGINT)\n finally: raise RecursionError('too deep')\nmain()\n"
    )
    (tmp_path / "work.py").write_text(code)
    command = [sys.executable, "work.py", "work"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[0]) == (130, "error: interrupted")


@pytest.mark.parametrize("sent", SENT, ids=lambda sent: sent.name)
def test_an_error_right_after_an_import_is_not_told_instead(sent: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "signalled.py").write_text(f"import signal\nsignal.raise_signal({int(sent)})\n")
    code = (
        "from hubslice.app import app\nfrom hubslice.console import main\nfrom hubslice.core.errors import InputError\n"
        "@app.command()\ndef work():\n import signalled\n raise InputError('no such folder', hint='look')\nmain()\n"
    )
    (tmp_path / "work.py").write_text(code)
    command = [sys.executable, "work.py", "work"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    told = "interrupted" if sent == signal.SIGINT else f"ended by {sent.name}"
    assert (done.returncode, done.stderr.splitlines()[0]) == (128 + sent, f"error: {told}")
    assert len(done.stderr.splitlines()) == 2
