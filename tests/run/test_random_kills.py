"""`kill -9` at dozens of random moments: the run ends all the same, with the same bytes and nothing lying about."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")]

KILLS = 30


def test_dozens_of_kills_change_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.run.random_kills", str(tmp_path), str(KILLS), "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert len(told["hit"]) >= KILLS
    assert len(set(told["hit"])) >= 8, told["hit"]
    assert told["same"]
    assert told["left"] == []
