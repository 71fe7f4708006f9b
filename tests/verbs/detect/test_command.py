"""`hubslice detect` from clean images to verdicts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import hubslice as package
from hubslice.verbs.detect.detector import Detector
from hubslice.verbs.detect.facts import Detection, DetectorFacts
from tests.terminal.conftest import Hubslice, hubslice
from tests.verbs.detect.small import between, clean, write_model

__all__ = ["hubslice"]

pytestmark = pytest.mark.slow  # every test is quick, all of them together are not


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("detect")
    write_model(place / "model")
    np.save(place / "clean.npy", clean(300))
    np.save(place / "new.npy", clean(200, seed=7))
    np.save(place / "odd.npy", between(60))
    package.detect_fit(place / "model", place / "clean.npy", fpr=0.05, out=place / "guard")
    return place


@pytest.fixture
def place(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    return made


def test_odd_images_are_flagged_and_clean_ones_hardly_ever(place: Path, hubslice: Hubslice) -> None:
    odd = json.loads(hubslice("detect", "check", "model", "-d", "guard", "-i", "odd.npy", "--json").stdout)
    new = json.loads(hubslice("detect", "check", "guard", "-i", "new.npy", "--json").stdout)
    assert odd["flagged"] >= 50
    assert new["flagged"] <= 24  # 5 % are wanted, by 90 images held out; 24 of 200 are four deviations more
    assert odd["flagged"] == sum(entry["score"] > odd["threshold"] for entry in odd["inputs"])
    assert all(entry["flagged"] == (entry["score"] > odd["threshold"]) for entry in odd["inputs"])
    assert [entry["answer"] for entry in new["inputs"][:3]] == ["red", "green", "blue"]


def test_what_is_written(place: Path, hubslice: Hubslice) -> None:
    finished = hubslice("detect", "fit", "model", "--data", "clean.npy", "--json", "--out", "again")
    assert (finished.code, finished.stderr) == (0, "")
    told = json.loads(finished.stdout)
    assert sorted(path.name for path in (place / "again").iterdir()) == ["detector.json", "detector.safetensors"]
    facts = DetectorFacts.load(place / "again/detector.json")
    assert facts.answers == {"red": 100, "green": 100, "blue": 100}
    assert facts.model == "../model"
    assert (facts.held_out, facts.layers, facts.measures) == (90, ("features.4",), ("slice", "margin"))
    loaded = Detector.load(place / "again/detector.safetensors")
    assert loaded.facts == facts
    assert loaded.threshold == pytest.approx(told["threshold"], abs=1e-3)
    assert loaded.neighbours.vectors.shape == (210, 8)
    same = Detector.load(place / "guard/detector.safetensors")  # of the same images
    np.testing.assert_array_equal(loaded.neighbours.vectors, same.neighbours.vectors)
    assert loaded.threshold == same.threshold


def test_a_detector_finds_its_model_where_both_were_moved_to(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hubslice: Hubslice
) -> None:
    for name in ("model", "guard"):
        shutil.copytree(place / name, tmp_path / "moved" / name)
    np.save(tmp_path / "some.npy", clean(3, seed=9))
    monkeypatch.chdir(tmp_path)
    found = Detection.model_validate_json(hubslice("detect", "check", "moved/guard", "-i", "some.npy", "--json").stdout)
    assert Path(found.model).resolve() != place / "model"
    assert [entry.answer for entry in found.inputs] == ["red", "green", "blue"]


def test_verdicts_for_people_scripts_and_gates(place: Path, hubslice: Hubslice) -> None:
    shown = hubslice("detect", "check", "guard", "--inputs", "odd.npy")
    assert shown.code == 0
    assert "FLAGGED" in shown.stdout
    assert "of clean inputs 5.0% would be" in " ".join(shown.stdout.split())
    quiet = hubslice("detect", "check", "guard", "--inputs", "odd.npy", "--quiet", "--gate")
    found = Detection.model_validate_json(hubslice("detect", "check", "guard", "--inputs", "odd.npy", "--json").stdout)
    assert quiet.code == 1
    assert quiet.stdout.split() == [entry.name for entry in found.inputs if entry.flagged]
    assert f"{found.flagged} of 60 inputs are flagged" in quiet.stderr


def test_options_change_what_is_compared(place: Path) -> None:
    made = package.detect_fit(
        place / "model",
        place / "clean.npy",
        fpr=0.1,
        layers=["features.0", "features.4"],
        shape="signed",
        slices_only=True,
        out=place / "other",
    )
    loaded = Detector.load(place / "other/detector.safetensors")
    assert (made.layers, made.measures) == (("features.0", "features.4"), ("slice",))
    assert loaded.neighbours.vectors.shape == (210, 14)
    assert package.detect_check(place / "other", place / "odd.npy").flagged > 30


def test_answers_that_clean_images_never_got(place: Path) -> None:
    np.save(place / "two.npy", clean(200, colours=2))
    package.detect_fit(place / "model", place / "two.npy", out=place / "two")
    found = package.detect_check(place / "two", place / "new.npy")
    blue = [entry for entry in found.inputs if entry.answer == "blue"]
    assert len(blue) == 66
    assert all(entry.flagged and entry.score is None for entry in blue)
