"""A recipe with an `exposure` section: from the measurement to the card, the gate, and what a stranger can verify."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hubslice as package
from hubslice.artefacts.exposure import Exposure, RunExposure
from hubslice.card.plot_exposure import plot_exposure
from hubslice.core.errors import LineageError
from hubslice.core.numbers import number
from hubslice.files.sealed import read_sealed, write_sealed
from hubslice.run.report import given_away
from hubslice.run.run import Run
from hubslice.run.steps.exposure import KIND, PLACES
from tests.run.tiny import write_job
from tests.terminal.conftest import Hubslice, hubslice

__all__ = ["hubslice"]

pytestmark = pytest.mark.slow

RECIPE = """\
kind: slice
name: quick
teacher: {model: ./teacher, input_size: 32}
data: {path: ./shapes.parquet, group: group, classes: [red, blue]}
train: {epochs: 1, batch_size: 32}
exposure: {samples: 6, goal: 0.9}
gates: {max_exposure: 0.0}
"""


@pytest.fixture
def images(tmp_path: Path) -> Path:
    np.save(tmp_path / "images.npy", np.random.default_rng(0).random((4, 3, 32, 32), np.float32))
    return tmp_path / "images.npy"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    place = tmp_path_factory.mktemp("exposed")
    return package.slice(write_job(place, RECIPE), out=place / "run")


def test_exposure_is_measured_told_and_judged(run: Run, hubslice: Hubslice) -> None:
    told = run.report.exposure
    assert told is not None
    assert (told.inputs, told.goal, [arm.arm for arm in told.arms]) == (6, 0.9, ["student", "finetune"])
    for arm in told.arms:
        assert arm.exposure == pytest.approx(1 - arm.bits_needed / arm.bits_alone, abs=1e-5)
        assert 0 < arm.exposure < 1
        assert (arm.curve[0].layer, arm.curve[-1].weights, arm.curve[-1].agreement) == ("fc", 1.0, 1.0)
    assert 0.9 < told.shared < 1  # all but the head
    assert (told.lineage.verdict, told.lineage.aligned) == ("descendant", False)
    assert (told.lineage.missed.total, told.lineage.mistaken.total) == (124, 1048)
    changes = [layer.relative for layer in told.least_changed]
    assert changes == sorted(changes)
    facts = (run.student / "evidence/exposure.json").read_text()
    assert str(run.path.parent) not in facts
    assert RunExposure.model_validate_json(facts).lineage.candidate == "teacher"

    (gate,) = run.report.gates
    assert (gate.name, gate.measured, gate.passed) == ("max_exposure", told.arms[0].exposure, False)
    refused = hubslice("push", str(run.path), "owner/student")
    assert refused.code == 1
    words = " ".join(refused.stderr.split())
    assert f"max_exposure: measured {gate.measured:.3f}, limit 0.000" in words
    assert "change slice or train settings" in words
    assert "--despite-gates" in words

    card = (run.student / "README.md").read_text()
    assert "## Lineage and exposure" in card
    assert "the verdict on this model and its teacher is **descendant**" in card
    assert "missed 0 of 124 descendants (95 % interval [0.0, 24.2] %, each family counting once)" in card
    assert "and took 0 of 1,048 strangers for ones ([0.0, 24.2] %)" in card
    assert "| Share of the bits needed to answer like it that the teacher spares (exposure) | at most 0.0 % |" in card
    assert "](plots/exposure.png)" in card
    assert (run.student / "plots/exposure.png").is_file()


def test_all_of_it_is_verified_from_the_weights(run: Run) -> None:
    checked = package.verify(run.path, full=True)
    assert checked.verified, checked.of("differs")
    found = {finding.name: finding for finding in checked.findings}
    assert found["exposure"].detail == "2 curves from the answers to 6 images"
    assert found["lineage"].detail == "descendant, by the weights of student and teacher"
    assert found["student beside the teacher"].detail.endswith("layers differ as told")
    assert "6 of 6 answers" in found["student mixed with the teacher"].detail
    assert "6 of 6 answers" in found["finetune mixed with the teacher"].detail
    for arm in ("student", "finetune"):
        assert "6 of 6 answers" in found[f"{arm} by its leading bits"].detail
        assert "6 of 6 answers" in found[f"{arm} by its leading bits without the teacher"].detail


def test_a_run_has_its_teacher_and_its_baseline(run: Run, images: Path, tmp_path: Path, hubslice: Hubslice) -> None:
    """What `hubslice exposure` finds of a run is what its step found, on other images."""
    step = RunExposure.load(run.student / "evidence/exposure.json")
    data = ("--data", str(images))
    done = hubslice("exposure", str(run.path), *data, "--out", str(tmp_path / "told"), "--json")
    assert (done.code, done.stderr) == (0, "")
    found = Exposure.model_validate_json(done.stdout)
    assert found == Exposure.load(tmp_path / "told/exposure.json")
    assert found.teacher == run.report.teacher.model
    assert found.baseline is not None
    assert found.baseline.title == "Fine-tuned"
    assert (found.layers, found.baseline.layers) == (step.arms[0].layers, step.arms[1].layers)
    alone = package.exposure(run.path / "steps/train.finetune/model", run.path.parent / "teacher", images)
    assert alone.baseline is None
    assert alone.curve == found.baseline.curve

    shown = hubslice("exposure", str(run.student), *data, "--teacher", str(run.path.parent / "teacher")).stdout
    last = found.baseline.layers[-1]
    (line,) = [line for line in shown.splitlines() if line.startswith(f"{last.layer}\t")]
    assert line.split("\t")[5:] == [number(last.relative), f"{100 * last.unchanged:.1f}", f"{last.bits:.1f}"]
    assert f"teacher {found.bits_alone:.1%}: exposure {found.exposure:.1%}" in shown.splitlines()[-2]
    assert shown.splitlines()[-1].startswith("Fine-tuned: with nothing but the layers that it lacks the teacher gives ")
    assert shown.endswith(f": exposure {found.baseline.exposure:.1%}\n")

    plot_exposure(found.model_copy(update={"baseline": None}), tmp_path / "student.png")
    assert (tmp_path / "student.png").read_bytes() != (tmp_path / "told/exposure.png").read_bytes()


def test_a_run_that_lost_its_steps_needs_a_teacher_by_name(run: Run, images: Path, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run", ignore=shutil.ignore_patterns("steps"))
    with pytest.raises(LineageError, match=r"no teacher is named, and .*run is not a run that holds its own"):
        package.exposure(tmp_path / "run", None, images)
    assert package.exposure(tmp_path / "run", run.path.parent / "teacher", images).baseline is None


def bent_answers(student: Path) -> None:
    path = student / "evidence/exposure.safetensors"
    answers = read_sealed(path, KIND, lambda _, tensors: tensors)
    answers["student"][-2] = (answers["student"][-2] + 1) % 2
    path.unlink()  # a link into the step
    write_sealed(path, KIND, {"arms": ["student", "finetune"]}, answers)


def other_images(student: Path) -> None:
    path = student / "evidence/exposure.safetensors"
    answers = read_sealed(path, KIND, lambda _, tensors: tensors)
    answers[PLACES] += 1
    path.unlink()
    write_sealed(path, KIND, {"arms": ["student", "finetune"]}, answers)


def bent_report(student: Path) -> None:
    report = json.loads((student / "report.json").read_text())
    report["exposure"]["arms"][0]["exposure"] = 0.01
    (student / "report.json").write_text(json.dumps(report))


def bent_layers(student: Path) -> None:
    facts = json.loads((student / "evidence/exposure.json").read_text())
    facts["arms"][0]["layers"][3]["relative"] += 0.5
    facts["lineage"]["score"] = 0.2
    (student / "evidence/exposure.json").write_text(json.dumps(facts))


def bent_facts(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    """Facts of the student changed, and of the report what follows from them."""

    def bend(student: Path) -> None:
        path = student / "evidence/exposure.json"
        facts = json.loads(path.read_text())
        change(facts["arms"][0])
        path.write_text(json.dumps(facts))
        report = json.loads((student / "report.json").read_text())
        told = given_away(RunExposure.load(path)).model_dump(mode="json")
        report["exposure"] = told
        (student / "report.json").write_text(json.dumps(report))

    return bend


def fewer_points(arm: dict[str, Any]) -> None:
    """So that the last point left counts as the goal, though it is not."""
    del arm["alone"][1:]
    arm["bits_alone"] = arm["alone"][0]["bits"]


def cheaper_bits(arm: dict[str, Any]) -> None:
    for point in arm["leading"]:
        point["bits"] *= 1.1
    arm["bits_needed"] *= 1.1


BENT: dict[str, tuple[Callable[[Path], None], dict[str, str]]] = {
    "answers": (bent_answers, {"exposure": "agreement is"}),
    "images": (other_images, {"exposure": "its images are not those that the seed draws"}),
    "report": (bent_report, {"exposure": "exposure is 0.01, counted", "gates": "measured is"}),
    "points": (bent_facts(fewer_points), {"exposure": "leading bits are not those of this version"}),
    "bits": (bent_facts(cheaper_bits), {"student beside the teacher": "bits"}),
    "layers": (bent_layers, {"lineage": "lineage.score is 0.2", "student beside the teacher": "relative is"}),
}


@pytest.mark.parametrize("what", BENT)
def test_what_was_bent_is_found(run: Run, tmp_path: Path, what: str) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    bend, says = BENT[what]
    bend(tmp_path / "run/student")
    found = {finding.name: finding for finding in package.verify(tmp_path / "run").of("differs")}
    for name, fragment in says.items():
        assert fragment in found[name].detail, found


def test_a_plain_folder_needs_its_teacher_for_the_rest(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.student, tmp_path / "student")
    checked = package.verify(tmp_path / "student")
    assert checked.verified, checked.of("differs")
    (missing,) = [finding for finding in checked.of("not checked") if finding.name == "beside the teacher"]
    assert missing.detail == "the teacher's weights are not at hand, a local folder"
    assert "exposure" in {finding.name for finding in checked.of("agrees")}


def test_a_compact_student_and_no_baseline(tmp_path: Path) -> None:
    """Layers that lost channels are unknown to the teacher; without slicing there is nothing to compare with."""
    recipe = write_job(tmp_path, RECIPE.replace("gates: {max_exposure: 0.0}", "gates: {max_exposure: 1.0}"))
    cut = ("slice={method: magnitude, granularity: channel, irrelevant: compact, ratio: 0.4}",)
    small = package.slice(recipe, out=tmp_path / "compact", overrides=cut)
    whole = package.slice(recipe, out=tmp_path / "whole", overrides=("slice={method: none}",))
    told, plain = small.report.exposure, whole.report.exposure
    assert told is not None
    assert plain is not None
    assert told.shared < 0.5
    assert told.arms[0].exposure < plain.arms[0].exposure
    assert "count as unknown to it" in (small.student / "README.md").read_text()
    assert [arm.arm for arm in plain.arms] == ["student"]
    assert package.verify(small.path).verified
    assert small.report.gates[0].passed


def test_the_same_recipe_makes_the_same_bytes(run: Run, tmp_path: Path) -> None:
    again = package.slice(run.path, out=tmp_path / "again")
    for name in ("exposure.json", "exposure.safetensors"):
        path = Path("evidence") / name
        assert (again.student / path).read_bytes() == (run.student / path).read_bytes()


def test_the_plan_and_the_price_name_it(run: Run, hubslice: Hubslice) -> None:
    planned = hubslice("slice", str(run.path), "--dry-run")
    assert (planned.code, "Measure what the teacher gives away" in planned.stdout) == (0, True), planned
