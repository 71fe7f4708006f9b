"""A card's own lines give the answers that its report counts; whoever changes what they read is found out."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import hubslice
from hubslice.artefacts.predictions import Predictions
from hubslice.artefacts.report import STUDENT, Report
from hubslice.card.snippet import run_snippet, snippet_of
from hubslice.models.recording import KEY
from hubslice.recipe.transparency import Transparency
from hubslice.run.run import open_run
from hubslice.run.steps.data import same_task
from hubslice.verbs.verify.facts import Finding, Verification
from tests.images import COLOURS, encoded
from tests.run.cutouts import cut_out, cut_out_run
from tests.run.spoiling import relock

pytestmark = pytest.mark.slow

NAME = "the card's snippet"


def images_of(run: Path, folder: Path) -> list[Path]:
    """The test split's images as files."""
    opened = open_run(str(run))
    test = same_task(opened.recipe.data, opened.loaded.base, opened.recipe.seed, opened.folder.step("data")).test
    paths = []
    for row in test.rows:
        stored = test.table.stored(int(row))
        assert isinstance(stored, bytes)
        paths.append(folder / f"{row}.png")
        paths[-1].write_bytes(stored)
    return paths


def snippets_finding(found: Verification) -> Finding:
    return next(finding for finding in found.findings if finding.name == NAME)


@pytest.mark.parametrize(
    ("library", "rule", "compact"),
    [
        ("timm", "white", False),
        ("timm", "black", False),
        ("timm", "drop", False),
        ("timm", "black", True),
        ("transformers", "white", False),
        ("transformers", "drop", False),
    ],
)
def test_the_snippet_answers_cut_outs_as_the_report_counts(
    library: str, rule: Transparency, compact: bool, tmp_path: Path
) -> None:
    run = cut_out_run(library, rule, compact=compact)
    student = run / "student"
    report = Report.load(student / "report.json")
    stored = Predictions.load(student / "evidence" / str(report.predictions)).arms["test"][STUDENT]
    snippet = snippet_of(report, None, None)
    assert f"```python\n{snippet.text}```" in (student / "README.md").read_text()
    assert report.task.transparency == rule
    assert json.loads((student / "config.json").read_text())[KEY] == rule
    images = images_of(run, tmp_path)
    found = run_snippet(snippet, student, images)
    assert found.argmax(1).tolist() == stored.tolist()
    assert (hubslice.load(student).predict(images).logits.argmax(1).numpy() == stored).all()
    others = {"white", "black", "drop"} - {rule}
    if not compact:  # whose lines leave the rule to the model
        for other in others:
            assert np.abs(run_snippet(replace(snippet, transparency=other), student, images) - found).max() > 0.01
    verified = hubslice.verify(run)
    assert verified.verified, verified.of("differs")
    assert snippets_finding(verified).state == "agrees"
    plain = "hubslice" if compact else library
    assert snippets_finding(verified).detail == f"12 of 12 answers are the stored ones, in plain {plain}"


def test_another_rule_is_another_run(tmp_path: Path) -> None:
    runs = [cut_out_run("timm", rule) for rule in ("white", "black")]
    one, other = (Report.load(run / "report.json").task for run in runs)
    assert one.fingerprint != other.fingerprint
    for step in ("profile", "init", "train"):
        keys = {json.loads((run / "steps" / step / "step.json").read_text())["key"] for run in runs}
        assert len(keys) == 2, step


@pytest.fixture
def student(tmp_path: Path) -> Path:
    return shutil.copytree(cut_out_run("timm", "white") / "student", tmp_path / "student")


@pytest.fixture
def of_transformers(tmp_path: Path) -> Path:
    return shutil.copytree(cut_out_run("transformers", "white") / "student", tmp_path / "student")


def checked(student: Path, library: str = "timm") -> dict[str, str]:
    relock(student)
    found = hubslice.verify(student, data=cut_out_run(library, "white").parent / "cutouts.parquet")
    return {finding.name: finding.detail for finding in found.of("differs")}


def change(path: Path, where: tuple[str, ...], value: object) -> None:
    content = json.loads(path.read_text())
    inner = content
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    path.write_text(json.dumps(content, indent=2) + "\n")


def test_an_untouched_student_agrees(student: Path) -> None:
    assert checked(student) == {}


SPOILT: dict[str, tuple[tuple[str, ...], object, str]] = {
    "mean": (("pretrained_cfg", "mean"), [0.9, 0.1, 0.9], "preparation of images: mean.0 is 0.5, counted 0.9"),
    "border": (
        ("pretrained_cfg", "crop_mode"),
        "border",
        "preparation of images: resize is 'shortest', counted 'border'",
    ),
    "squash": (("pretrained_cfg", "crop_mode"), "squash", "preparation of images: resize is 'shortest', counted"),
    "rule": ((KEY,), "drop", "preparation of images: config.json records drop for transparent images, the report"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_config_that_prepares_otherwise_is_found_out(student: Path, what: str) -> None:
    where, value, message = SPOILT[what]
    change(student / "config.json", where, value)
    assert message in "; ".join(f"{name}: {detail}" for name, detail in checked(student).items())


def test_a_processor_that_prepares_otherwise_is_found_out(of_transformers: Path) -> None:
    assert checked(of_transformers, "transformers") == {}
    change(of_transformers / "preprocessor_config.json", ("image_mean",), [0.9, 0.1, 0.9])
    assert "mean.0 is 0.5, counted 0.9" in checked(of_transformers, "transformers")["preparation of images"]


def test_lines_that_fail_are_told(student: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change(student / "config.json", ("pretrained_cfg", "interpolation"), "no such")
    found = checked(student)
    assert any("no such" in detail for detail in found.values()), found


def test_lines_that_somebody_changed_are_not_run(student: Path, tmp_path: Path) -> None:
    card = student / "README.md"
    trap = tmp_path / "was-run"
    card.write_text(card.read_text().replace("import timm\n", f"open({str(trap)!r}, 'w')\nimport timm\n", 1))
    found = hubslice.verify(student, data=cut_out_run("timm", "white").parent / "cutouts.parquet")
    assert snippets_finding(found).state == "not checked"
    assert "does not show the lines that hubslice writes: they are not run" in snippets_finding(found).detail
    assert not trap.exists()


def test_without_the_data_it_is_told_as_not_checked(student: Path) -> None:
    found = snippets_finding(hubslice.verify(student))
    assert (found.state, found.detail) == (
        "not checked",
        "it is run on images of the test split, which are not at hand",
    )


def test_hidden_colours_are_those_of_another_class() -> None:
    """What makes these cut-outs bite: dropped, another class's colour fills the image."""
    image = cut_out("blue", 0)
    assert image.getextrema()[3] == (0, 255)
    assert np.asarray(image)[0, 0, 1] > 150
    assert len(encoded(image)) > 0
    assert list(COLOURS)[1] == "green"
