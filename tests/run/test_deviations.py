"""A recipe with a `diff` section: from the search to the card, the gate, and what a stranger can verify."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

import hubslice as package
from hubslice.artefacts.deviation import Deviations
from tests.run.tiny import write_job
from tests.terminal.conftest import Hubslice, hubslice

__all__ = ["hubslice"]

pytestmark = pytest.mark.slow

RECIPE = """\
kind: slice
name: quick
teacher: {model: ./teacher, input_size: 32}
data: {path: ./shapes.parquet, group: group}
train: {epochs: 1, batch_size: 32}
diff: {seeds: 8, budget: 60, max_linf: 0.2}
gates: {max_deviation_rate: 0.0}
"""


@pytest.mark.slow
def test_deviations_are_searched_told_judged_and_verified(tmp_path: Path, hubslice: Hubslice) -> None:
    recipe = write_job(tmp_path, RECIPE)
    planned = hubslice("slice", str(recipe), "--out", str(tmp_path / "run"), "--dry-run")
    assert (planned.code, "Search for deviations from the baseline" in planned.stdout) == (0, True), planned
    made = hubslice("slice", str(recipe), "--out", str(tmp_path / "run"), "--quiet")
    run = package.slice(recipe, out=tmp_path / "run")
    told = run.report.deviations
    assert told is not None
    assert (told.baseline, told.budget, told.max_linf) == ("finetune", 60, 51)
    facts = Deviations.load(run.student / "evidence/deviations.json")
    assert (facts.seeds, facts.a.model, facts.b.model, facts.seconds) == (8, "finetune", "student", None)
    assert facts.found == told.found
    assert all(re.fullmatch(r"(red|green|blue), row \d+", result.name) for result in facts.results)
    assert told.found.hits > 0  # models of one epoch are easily parted
    (gate,) = run.report.gates
    assert (gate.name, gate.measured, gate.passed) == ("max_deviation_rate", told.found.value, False)
    assert made.code == 1
    assert "max_deviation_rate" in made.stderr
    refused = hubslice("push", str(run.path), "owner/student")
    assert refused.code == 1
    words = " ".join(refused.stderr.split())
    assert f"{told.found.hits} of {told.found.total} images, changed, get different answers" in words
    assert "student/evidence/deviations.png" in words
    assert "--despite-gates" in words
    card = (run.student / "README.md").read_text()
    assert "## Where it deviates from the baseline" in card
    assert "no value by more than 51 of 255 levels" in card
    assert "![Images before and after the change, and both answers](evidence/deviations.png)" in card
    assert (run.student / "evidence/deviations.png").is_file()
    assert str(tmp_path) not in (run.student / "evidence/deviations.json").read_text()
    checked = package.verify(run.path, full=True)
    assert checked.verified, [finding for finding in checked.findings if finding.state != "same"]
    named = {finding.name for finding in checked.findings}
    assert {"deviations", "student on deviations", "finetune on deviations"} <= named

    stored = run.student / "evidence/deviations.safetensors"
    shutil.copy(stored, tmp_path / "true")
    stored.unlink()  # a link into the step
    tensors = load_file(tmp_path / "true")
    save_file(tensors | {"b": tensors["a"]}, stored)
    again = package.verify(run.path)
    assert not again.verified


def test_the_same_recipe_makes_the_same_bytes(tmp_path: Path) -> None:
    recipe = write_job(tmp_path, RECIPE)
    one, two = (package.slice(recipe, out=tmp_path / name) for name in ("one", "two"))
    for name in ("deviations.json", "deviations.safetensors", "deviations.png"):
        path = Path("evidence") / name
        assert (one.student / path).read_bytes() == (two.student / path).read_bytes()
