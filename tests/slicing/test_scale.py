"""Ranking the weights of a ResNet-18: seconds and memory, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_eleven_million_weights_take_seconds_and_less_than_a_gibibyte() -> None:
    command = [sys.executable, "-m", "bench.commands.ranking"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    found = json.loads(done.stdout)
    assert found["weights"] == 11_166_912
    assert found["seconds"] < 15  # one or two on an idle machine
    assert found["added_mib"] < 1024
