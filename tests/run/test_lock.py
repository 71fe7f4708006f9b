"""The lock: what it pins, that it stays as it is, and that drift is refused line by line."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

import hubslice
from hubslice.artefacts.lock import LOCK, Lock
from hubslice.artefacts.report import Environment, Report
from hubslice.core.errors import LockError
from hubslice.engine.environment import deviations, environment
from hubslice.engine.run_folder import NOTES, RECORD
from hubslice.engine.step import StepRecord, digest_folder
from hubslice.models.timm_adapter import TimmModel
from hubslice.run.drift import environment_drift
from hubslice.run.run import Run, open_run
from tests.fake_hub import HubServer
from tests.images import COLOURS, write_parquet
from tests.run.quick import QUICK, quick_run

pytestmark = pytest.mark.slow

TEACHER = "hubslice-tests/tiny"


@pytest.fixture(scope="module")
def finished() -> Run:
    return open_run(str(quick_run()))


@pytest.fixture
def job(finished: Run, tmp_path: Path) -> Path:
    """A copy of the job with its finished run; gives the recipe's path."""
    # The copies keep their times: steps whose sources did not change stay cached.
    return shutil.copytree(finished.path.parent, tmp_path / "job") / "recipe.yaml"


def slice_again(recipe: Path, **options: object) -> Run:
    return hubslice.slice(recipe, out=recipe.parent / "run", **options)  # type: ignore[arg-type]


def contents(run: Path) -> dict[str, bytes]:
    return {
        path.relative_to(run).as_posix(): path.read_bytes()
        for path in run.rglob("*")
        if path.is_file() and path.name != ".running"
    }


def take_in(recipe: str | Path, out: Path, **options: object) -> Run:
    """Pull and open the data, as every run begins."""
    hubslice.slice(recipe, out=out, until="pull", **options)  # type: ignore[arg-type]
    return hubslice.slice(recipe, out=out, until="data", **options)  # type: ignore[arg-type]


def test_the_lock_pins_what_went_in_and_what_came_out(finished: Run) -> None:
    lock, report = Lock.load(finished.path / LOCK), finished.report
    assert lock.recipe_sha256 == report.recipe_sha256
    assert lock.models["pull"].files == report.teacher.files
    assert lock.data.fingerprint == report.task.fingerprint
    assert lock.settings["train.epochs"] == 1
    assert lock.settings["audit.defects.0.target"] == "red"
    assert "data.path" not in lock.settings
    assert lock.environment == report.environment
    assert {"torch", "timm", "transformers", "numpy", "pillow"} <= lock.environment.packages.keys()
    student = {p.relative_to(finished.student).as_posix() for p in finished.student.rglob("*") if p.is_file()}
    assert {file.path for file in lock.files} == student - {"README.md", LOCK}
    assert (finished.student / LOCK).read_bytes() == (finished.path / LOCK).read_bytes()
    assert str(finished.path.parent) not in (finished.path / LOCK).read_text()


def test_the_same_command_leaves_the_lock_as_it_is(job: Path) -> None:
    path = job.parent / "run" / LOCK
    before = path.read_bytes()
    slice_again(job)
    slice_again(job, until="data")
    assert path.read_bytes() == before


def test_a_lock_is_there_as_soon_as_models_and_data_are(job: Path) -> None:
    run = take_in(job, job.parent / "new")
    lock = Lock.load(run.path / LOCK)
    assert lock.models["pull"].files
    assert lock.data.samples["train"] > 0
    assert not lock.files
    assert not hubslice.slice(job, out=job.parent / "other", until="data").path.joinpath(LOCK).exists()


def test_nothing_changed_is_accepted(job: Path) -> None:
    run = slice_again(job, locked=True)
    assert run.check_lock() == ()
    shutil.move(job.parent / "run" / LOCK, job.with_suffix(".lock"))  # the place that people commit
    assert slice_again(job, locked=True).locked[1] == str(job.with_suffix(".lock"))  # type: ignore[index]


def test_a_run_folder_keeps_to_its_own_lock(job: Path) -> None:
    assert open_run(str(job.parent / "run"), ("train.epochs=1",), locked=True).check_lock() == ()
    with pytest.raises(LockError, match=r"recipe, train.epochs: locked 1, now 2"):
        open_run(str(job.parent / "run"), ("train.epochs=2",), locked=True).check_lock()


def test_places_may_change_what_is_there_may_not(job: Path) -> None:
    """The same data elsewhere is the same data."""
    moved = shutil.copy2(job.parent / "shapes.parquet", job.parent / "elsewhere.parquet")
    run = hubslice.slice(job, out=job.parent / "run", overrides=[f"data.path={moved}"], until="data", locked=True)
    assert run.folder.record("data") is not None


@pytest.mark.parametrize("kept", ["run", "recipe"])
def test_every_drift_is_a_line(job: Path, kept: str) -> None:
    if kept == "recipe":
        shutil.move(job.parent / "run" / LOCK, job.with_suffix(".lock"))
    TimmModel.create("test_resnet", tuple(COLOURS), seed=2).save(job.parent / "teacher")
    (job.parent / "shapes.parquet").unlink()
    write_parquet(job.parent / "shapes.parquet", samples=60)
    job.write_text(f"# Another text of the same settings.\n{QUICK}")
    before = contents(job.parent / "run")
    with pytest.raises(LockError) as refused:
        slice_again(job, locked=True)
    assert contents(job.parent / "run") == before
    lines = refused.value.message.splitlines()
    assert ("recipe.lock" if kept == "recipe" else f"run/{LOCK}") in lines[0]
    assert any(re.fullmatch(r"  teacher, model\.safetensors: locked \w{12}, now \w{12}", line) for line in lines)
    assert any(re.fullmatch(r"  data fingerprint: locked \w{12}, now \w{12}", line) for line in lines)
    assert "  data, train samples: locked 66, now 42" in lines
    assert "run without --locked" in str(refused.value.hint)
    take_in(job, job.parent / "run")  # accepted: the run's lock is written anew
    assert Lock.load(job.parent / "run" / LOCK).data.samples["train"] == 42


def test_there_may_be_no_lock(job: Path) -> None:
    (job.parent / "run" / LOCK).unlink()
    with pytest.raises(LockError, match=r"there is no lock for .*recipe\.yaml; looked for .*recipe\.lock, .*hubslice"):
        slice_again(job, locked=True)
    (job.parent / "run" / LOCK).write_text("{}")
    with pytest.raises(LockError, match="is not a Lock of this version"):
        slice_again(job, locked=True)


def test_versions_that_change_bits_are_refused_others_told(finished: Run) -> None:
    now = environment("cpu")

    def changed(**fields: str) -> Environment:
        packages = now.packages | {name: new for name, new in fields.items() if name in now.packages}
        return now.model_copy(update={"packages": packages} | {k: v for k, v in fields.items() if k == "device"})

    lock = Lock.load(finished.path / LOCK)
    assert environment_drift(lock, now) == ([], [])
    torch = now.packages["torch"]
    assert environment_drift(lock, changed(torch="1.0")) == ([f"torch: locked {torch}, now 1.0"], [])
    assert environment_drift(lock, changed(timm="0.1"))[0]
    build = f"{torch.partition('+')[0]}+other"
    assert environment_drift(lock, changed(torch=build, device="cuda:0")) == (
        [],
        ["device: locked cpu, now cuda", f"torch: locked {torch}, now {build}"],
    )
    assert environment_drift(lock, changed(numpy="1.0"))[1] == [f"numpy: locked {now.packages['numpy']}, now 1.0"]
    runtimes = {name: version for name, version in now.packages.items() if name.startswith("onnxruntime")}
    renamed = {name: version for name, version in now.packages.items() if name not in runtimes}
    renamed["onnxruntime"] = next(iter(runtimes.values()))
    assert environment_drift(lock, now.model_copy(update={"packages": renamed})) == ([], [])


def test_a_step_of_another_environment_is_named(job: Path) -> None:
    folder = job.parent / "run" / "steps" / "export"
    record = StepRecord.load(folder / RECORD)
    assert record.environment is not None
    older = record.environment.model_copy(update={"packages": record.environment.packages | {"torch": "1.0"}})
    record.model_copy(update={"environment": older}).save(folder / RECORD)
    (job.parent / "run" / "steps" / "report" / RECORD).unlink()
    run = slice_again(job)
    assert run.report.deviating == {"export": {"torch": "1.0"}}
    assert Lock.load(run.path / LOCK).deviating == run.report.deviating
    assert "export: torch 1.0" in (run.student / "README.md").read_text()


def test_deviations_tell_what_is_missing_and_unknown() -> None:
    common = Environment(hubslice="1", python="3", platform="L", device="cpu", packages={"torch": "2", "timm": "1"})
    lacking = common.model_copy(update={"packages": {"torch": "2"}, "device": "cuda:0"})
    assert deviations(common, {"a": common, "b": lacking, "c": None}) == {
        "b": {"device": "cuda:0", "timm": "absent"},
        "c": {"hubslice": "unknown"},
    }


def test_a_branch_that_moved_is_taken_at_the_locked_commit(hub: HubServer, job: Path) -> None:
    job.write_text(QUICK.replace("./teacher", TEACHER))
    first = hub.seed(TEACHER, job.parent / "teacher").oid
    take_in(job, job.parent / "first")
    shutil.copy2(job.parent / "first" / LOCK, job.with_suffix(".lock"))
    TimmModel.create("test_resnet", tuple(COLOURS), seed=2).save(job.parent / "teacher")
    second = hub.seed(TEACHER, job.parent / "teacher").oid

    def commit(name: str, **options: bool) -> str | None:
        run = take_in(job, job.parent / name, **options)
        return Lock.load(run.path / LOCK).models["pull"].commit

    assert first != second
    assert commit("locked", locked=True) == first
    assert commit("unlocked") == second
    locked, before = (digest_folder(job.parent / name / "steps/pull", leave_out=NOTES) for name in ("locked", "first"))
    assert locked == before
    job.write_text(QUICK.replace("./teacher", f"{TEACHER}@{second}"))
    hub.log.clear()
    with pytest.raises(LockError, match=rf"teacher: locked {TEACHER}, now {TEACHER}@{second}"):
        commit("other", locked=True)
    assert hub.log == []


def test_a_published_student_brings_its_lock(hub: HubServer, finished: Run, job: Path) -> None:
    files = {path.name: path.read_bytes() for path in finished.student.glob("*") if path.is_file()}
    hub.seed("alice/student", files)
    teacher = f"teacher.model={job.parent / 'teacher'}"
    data = f"data.path={job.parent / 'shapes.parquet'}"
    run = take_in("alice/student", job.parent / "again", overrides=[teacher, data], locked=True)
    assert run.locked[1].startswith("the lock of alice/student@")  # type: ignore[index]
    other = write_parquet(job.parent / "other.parquet", samples=60)
    with pytest.raises(LockError, match="data fingerprint: locked"):
        take_in("alice/student", job.parent / "other", overrides=[teacher, f"data.path={other}"], locked=True)
    hub.seed("alice/older", {name: content for name, content in files.items() if name != LOCK})
    with pytest.raises(
        LockError, match=r"alice/older@\w+ has no hubslice\.lock: it was published by an older hubslice"
    ):
        open_run("alice/older", (teacher, data), locked=True)


def test_the_lock_reads_well(finished: Run) -> None:
    """One fact a line, the same bytes however often it is written."""
    text = (finished.path / LOCK).read_text()
    assert all(len(line) < 120 for line in text.splitlines())
    assert json.loads(text)["format"] == "hubslice-lock-1"
    assert Lock.load(finished.path / LOCK).is_text_of(finished.path / LOCK)
    assert Report.load(finished.path / "report.json").recipe_sha256 in text
