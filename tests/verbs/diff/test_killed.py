"""`kill -9` in the middle of a search: what was finished is not searched again, and the end is the same."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import numpy as np
import pytest

import hubslice
from tests import warm
from tests.deviation.graphs import GREENER, mixed, write_graph
from tests.interrupting import Interrupting

PATIENCE = 60.0  # seconds for the first outcomes
SEEDS = 24


@pytest.mark.slow
def test_a_killed_search_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_graph(tmp_path / "a.onnx")
    write_graph(tmp_path / "b.onnx", GREENER)
    np.save(tmp_path / "in.npy", mixed(SEEDS, seed=2))
    options = ("--inputs", "in.npy", "--method", "random", "--budget", "300", "--max-linf", "4/255", "--batch", "1")
    command = ("-m", "hubslice", "diff", "a.onnx", "b.onnx", *options, "--out", "cut", "--quiet")
    killed = warm.Started(*command)
    end = time.monotonic() + PATIENCE
    while len(list(tmp_path.glob(".cut.unfinished/*.safetensors"))) < 3 and time.monotonic() < end:
        time.sleep(0.005)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    assert not (tmp_path / "cut").exists()
    kept = len(list(tmp_path.glob(".cut.unfinished/*.safetensors")))
    assert 3 <= kept < SEEDS

    def search(out: str, reporter: Interrupting) -> list[dict[str, object]]:
        found = hubslice.diff(
            *("a.onnx", "b.onnx", "in.npy"),
            method="random",
            budget=300,
            max_linf=4 / 255,
            batch=1,
            out=Path(out),
            reporter=reporter,
        )
        return [entry.model_dump(exclude={"seconds"}) for entry in found.results]

    counting = Interrupting("Search", None)
    assert search("cut", counting) == search("whole", Interrupting("Search", None))
    assert counting.ticks[0] == kept
