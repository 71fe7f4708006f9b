"""Verification of what is on the Hub, by somebody who never saw the run, and of a student shipped as a difference."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

import hubslice
from hubslice.artefacts.lock import LOCK, Lock
from hubslice.artefacts.report import Report
from hubslice.card.render import render_card
from tests.fake_hub import Fault, HubServer, on
from tests.run.differing import student_as_delta
from tests.run.quick import QUICK, quick_run
from tests.run.spoiling import differing

pytestmark = pytest.mark.slow


def test_a_stranger_audits_a_published_student(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = shutil.copytree(quick_run().parent, tmp_path / "job") / "run"
    teacher, path = "hubslice-tests/tiny", run.parent / "recipe.yaml"
    hub.seed(teacher, run.parent / "teacher")
    path.write_text(QUICK.replace("./teacher", teacher))
    made = hubslice.slice(path, out=run)
    card = render_card(made.report, made.recipe.card, made.loaded.text, "alice/student")
    (tmp_path / "published").mkdir()
    shutil.copytree(made.student, tmp_path / "published", dirs_exist_ok=True)
    (tmp_path / "published" / "README.md").unlink()
    (tmp_path / "published" / "README.md").write_text(card)
    commit = hub.seed("alice/student", tmp_path / "published").oid

    hub.log.clear()
    found = hubslice.verify("alice/student", sample=4)
    assert (found.verified, found.commit) == (True, commit), differing(found)
    unchecked = {finding.name for finding in found.of("not checked")}
    assert unchecked == {"model.sig", "accuracy on the data", "the card's snippet"}
    with_data = hubslice.verify("alice/student", sample=4, data=run.parent / "shapes.parquet")
    assert with_data.verified  # its lines name the student on the Hub
    assert [finding.name for finding in with_data.of("not checked")] == ["model.sig"]
    detail = next(f.detail for f in found.findings if (f.part, f.name) == ("sources", "teacher"))
    assert "2 files of hubslice-tests/tiny@" in detail
    cache = tmp_path / "cache" / "models--hubslice-tests--tiny"
    shutil.rmtree(cache)
    assert hubslice.verify("alice/student", sample=4).verified
    assert {file.name for file in cache.glob("snapshots/*/*")} == {"config.json"}  # weights by the Hub's promise alone
    assert hubslice.verify("alice/student", sample=4, full=True).verified
    assert {file.name for file in cache.glob("snapshots/*/*")} == {"config.json", "model.safetensors"}

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert hubslice.verify("alice/student", sample=4).verified
    shutil.rmtree(cache)
    offline = hubslice.verify("alice/student", sample=4)
    assert offline.verified
    assert "offline mode is on" in next(f.detail for f in offline.of("not checked") if f.part == "sources")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)

    hub.faults.append(Fault(on("GET", f"^/api/models/{teacher}"), status=503, times=None))
    monkeypatch.setattr("hubslice.hub.session._PATIENCE", (0.0, 0.0))
    unreached = hubslice.verify("alice/student", sample=4)
    assert unreached.verified
    assert "out of order (HTTP 503" in next(f.detail for f in unreached.of("not checked") if f.part == "sources")
    hub.faults.clear()

    lock = (tmp_path / "published" / LOCK).read_text()
    for old, new, says in (
        (hub.commits(teacher)[0].oid, "0" * 40, f"{teacher} has no revision '{'0' * 40}'"),
        (f'"{teacher}"', '"hubslice-tests/gone"', "there is no public repository hubslice-tests/gone"),
    ):
        assert old in lock
        hub.seed("alice/student", {LOCK: lock.replace(old, new).encode()})
        found = hubslice.verify("alice/student", sample=4)
        assert says in differing(found)["sources, teacher"]
    sha256 = Lock.load(tmp_path / "published" / LOCK).models["pull"].files[-1].sha256
    hub.seed("alice/student", {LOCK: lock.replace(sha256, "0" * 64).encode()})
    found = hubslice.verify("alice/student", sample=4)
    assert f"model.safetensors: sha256 is {sha256}, locked {'0' * 64}" in differing(found)["sources, teacher"]
    assert hubslice.verify(f"alice/student@{commit}", sample=4).verified


def test_a_folder_with_a_difference_is_verified_whole(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a copy of what `push --delta` made; the answers are those of the weights that come out."""
    monkeypatch.setenv("HUBSLICE_CACHE", str(tmp_path / "made"))
    folder = student_as_delta(hub, tmp_path / "student")
    there = sorted(path.name for path in folder.iterdir())
    found = hubslice.verify(folder, sample=2)
    assert found.verified, found.of("differs")
    agreeing = {f"{finding.part}, {finding.name}" for finding in found.of("agrees")}
    assert {"files, checksums", "report, retention", "card, README.md", "student, plain timm"} <= agreeing
    pair = [hubslice.load(place).module.state_dict() for place in (folder, quick_run() / "student")]
    assert all(torch.equal(pair[0][name], tensor) for name, tensor in pair[1].items())
    assert sorted(path.name for path in folder.iterdir()) == there

    other = Report.load(folder / "report.json")
    slice_ = other.slice.model_copy(update={"relevant": other.slice.relevant + 1})
    other.model_copy(update={"slice": slice_}).save(folder / "report.json")
    assert "report, retention" in differing(hubslice.verify(folder, sample=2))
