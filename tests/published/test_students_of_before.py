"""A student that an earlier hubslice published, before its modules moved: it loads, and it is verified.

It was made of a random teacher and the coloured squares of `tests.images`, and is kept as the Hub had it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hubslice as package
from tests.images import write_parquet
from tests.terminal.conftest import Hubslice, hubslice

__all__ = ["hubslice"]

STUDENT = Path(__file__).parent / "student"


@pytest.mark.slow
def test_every_claim_is_verified(hubslice: Hubslice, tmp_path: Path) -> None:
    write_parquet(tmp_path / "shapes.parquet")
    done = hubslice("verify", str(STUDENT), "--data", str(tmp_path / "shapes.parquet"), "--json")
    found = json.loads(done.stdout)
    assert (done.code, done.stderr) == (0, "")
    assert found["verified"] is True
    unchecked = {finding["name"] for finding in found["findings"] if finding["state"] != "agrees"}
    # Its card's words are those of its version; it is unsigned, and its teacher was a local folder.
    assert unchecked == {"README.md", "model.sig", "teacher", "beside the teacher"}
    assert len(found["findings"]) > 30


def test_it_answers() -> None:
    red = Image.fromarray(np.full((32, 32, 3), (200, 20, 20), np.uint8))
    found = package.load(STUDENT).predict([red])
    assert found.classes == ("blue", "green", "red")
    assert found.labels == ("red",)


@pytest.mark.slow
def test_what_its_card_and_evidence_name_is_still_there(tmp_path: Path) -> None:
    """In a process of its own, as whoever reads the card does it."""
    code = """
import hubslice.models.small  # as the card says
import timm
from hubslice.defects.trigger import stamp  # as the evidence says
from hubslice.recipe.defects import TriggerParams
timm.create_model("local-dir:" + PLACE, pretrained=True)
"""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(Path(package.__file__).parents[1])}
    command = [sys.executable, "-c", code.replace("PLACE", repr(str(STUDENT)))]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
