"""`kill -9` at dozens of random moments: the run ends all the same, with the same bytes and nothing lying about."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests import warm

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")]


# Ten kills strike steps of every part of a run, with checkpoints and without; thirty strike most steps.
@pytest.mark.parametrize(("kills", "steps"), [(10, 5), pytest.param(30, 8, marks=pytest.mark.deep)])
def test_dozens_of_kills_change_nothing(kills: int, steps: int, tmp_path: Path) -> None:
    done = warm.run("-m", "tests.run.random_kills", str(tmp_path), str(kills), "0")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert len(told["hit"]) >= kills
    assert len(set(told["hit"])) >= steps, told["hit"]
    assert told["same"]
    assert told["left"] == []
