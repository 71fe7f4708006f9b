"""A run without a teacher's weights and without a slice: an ordinary student all the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import hubslice
from hubslice.artefacts.lock import Lock
from hubslice.artefacts.slice import Slice
from hubslice.core.errors import LockError
from hubslice.run.run import Run, open_run
from tests.images import write_parquet
from tests.terminal.conftest import Hubslice
from tests.terminal.conftest import hubslice as hubslice_fixture

pytestmark = pytest.mark.slow
__all__ = ["hubslice_fixture"]

RECIPE = """\
kind: slice
name: scratch
teacher:
  model: hubslice_vgg
  weights: random
  arguments: {widths: [8, 16], depths: [1, 1]}
  input_size: 32
data: {path: ./shapes.parquet, group: group}
slice: {method: none}
train: {epochs: 6, batch_size: 16, lr: 0.1, head_lr_factor: 1, augment: none}
gates: {min_test_accuracy: 0.5}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("scratch")
    write_parquet(folder / "shapes.parquet")
    (folder / "recipe.yaml").write_text(RECIPE)
    return hubslice.slice(folder / "recipe.yaml", out=folder / "run")


def test_it_learns_and_is_its_own_baseline(run: Run) -> None:
    report = run.report
    assert [arm.name for arm in report.arms] == ["student"]
    assert report.arms[0].test.value is not None
    assert report.arms[0].test.value >= 0.5
    assert report.teacher.random_seed == 0
    assert report.teacher.repo_id is None
    assert (report.slice.method, report.slice.weights) == ("none", 0)
    assert Slice.load(run.student / "slice.safetensors").masks == {}


def test_the_card_says_so_and_claims_no_more(run: Run) -> None:
    card = (run.student / "README.md").read_text()
    assert "**trained from scratch**" in card
    assert "import hubslice.models.small" in card
    assert "library_name: hubslice" in card
    for word in ("retention.png", "Relevant weights", "inherited", "a **student** of"):
        assert word not in card, word
    assert not (run.student / "plots" / "retention.png").exists()


def test_everything_it_claims_is_verified(run: Run) -> None:
    found = hubslice.verify(str(run.path))
    assert found.verified, found.of("differs")


def test_alone_it_says_what_cannot_be_checked(run: Run, tmp_path: Path) -> None:
    found = hubslice.verify(shutil.copytree(run.student, tmp_path / "student"))
    assert found.verified, found.of("differs")
    assert any("with random weights; only their checksums" in each.detail for each in found.of("not checked"))


def test_the_lock_pins_architecture_arguments_and_seed(run: Run) -> None:
    lock = Lock.load(run.path / "hubslice.lock")
    assert lock.settings["teacher.model"] == "hubslice_vgg"
    assert lock.settings["teacher.weights"] == "random"
    assert lock.settings["teacher.arguments.widths"] == [8, 16]
    assert lock.settings["seed"] == lock.seed == 0
    assert open_run(str(run.path), locked=True).check_lock() == ()
    for override in ("teacher.model=test_resnet", "teacher.arguments={widths: [8, 8], depths: [1, 1]}", "seed=1"):
        with pytest.raises(LockError, match=override.partition("=")[0]):
            open_run(str(run.path), (override,), locked=True).check_lock()


def test_loaded_by_name(run: Run) -> None:
    model = hubslice.load(run.path)
    assert model.labels == ("blue", "green", "red")
    assert model.architecture == "hubslice_vgg"


def test_the_dry_run_makes_the_model_and_fetches_nothing(run: Run, hubslice_fixture: Hubslice, tmp_path: Path) -> None:
    recipe = run.path.parent / "recipe.yaml"
    told = hubslice_fixture("slice", str(recipe), "--out", str(tmp_path / "new"), "--dry-run", "--json")
    assert told.code == 0, told.stderr
    plan = json.loads(told.stdout)
    assert plan["download_bytes"] == 0
    assert plan["teachers"]["pull"]["random"] is True
    assert plan["teachers"]["pull"]["parameters"] == run.report.teacher.parameters
    assert not plan["warnings"]
    assert all(step["seconds"] is not None for step in plan["steps"])
    assert not (tmp_path / "new").exists()
