"""Check files: the student's and those of the run's steps against the checksums in lock and records."""

from __future__ import annotations

import filecmp
import hashlib
from collections.abc import Iterator
from pathlib import Path

from hubslice.artefacts.lock import LOCK, Lock
from hubslice.engine.run_folder import NOTES, RECORD, RunFolder
from hubslice.engine.step import digest_folder
from hubslice.files.names import CARD
from hubslice.hub.integrity import digest
from hubslice.hub.locked import MISSING, UNLISTED, compare, unlisted
from hubslice.run.drift import settings_drift
from hubslice.run.lock import locked_data, locked_model
from hubslice.run.steps.report import student_files
from hubslice.verbs.verify.claims import Claims, Place, is_weights
from hubslice.verbs.verify.facts import Finding, compared, unchecked

FILES, LOCKED = "files", "lock"


def check_files(place: Place, lock: Lock | None) -> Iterator[Finding]:
    """Check every file in the lock by its SHA-256, and that a loader would load no other files."""
    if lock is None:
        yield unchecked(FILES, LOCK, "there is none: made by an older hubslice, so no checksums are known")
        return
    if not lock.files:
        yield compared(LOCKED, LOCK, ["it lists no files: it is that of an unfinished run"], "")
    if not lock.is_text_of(place.folder / LOCK):
        yield compared(LOCKED, LOCK, ["it is not as hubslice writes it"], "")
    found = compare(lock, lambda path: digest(place.folder / path) if path in place.names else None)
    for path, wrong in found.differing.items():
        yield compared(FILES, path, [wrong], "")
    for path in found.missing:
        why = place.lacking or (place.without_weights if is_weights(path) else None)
        yield unchecked(FILES, path, why) if why else compared(FILES, path, [MISSING], "")
    agreeing = f"{found.agreeing} of {len(lock.files)} files are those that the lock lists"
    yield compared(FILES, "checksums", [], agreeing)
    risky, others = unlisted(lock, place.names)
    if risky:
        told = [f"{name}: {UNLISTED}" for name in risky]
        yield compared(FILES, "unlisted files", told, "")
    if others:
        yield unchecked(FILES, "other files", f"not hubslice's: {', '.join(others[:8])}{' ...' * (len(others) > 8)}")


def check_lock(claims: Claims) -> Iterator[Finding]:
    """Check the recipe's checksum, and everything that the lock states twice."""
    report, lock = claims.report, claims.lock
    sha256 = hashlib.sha256(claims.loaded.text.encode()).hexdigest()
    wrong = [] if sha256 == report.recipe_sha256 else [f"sha256 is {sha256}, the report says {report.recipe_sha256}"]
    if claims.recipe.seed != report.seed:
        wrong.append(f"seed is {claims.recipe.seed}, the report says {report.seed}")
    yield compared("report", "recipe", wrong, "it is the one that the report was made with")
    if lock is None:
        if report.predictions is not None and LOCK not in claims.place.names and not claims.place.lacking:
            yield compared(LOCKED, LOCK, ["it is missing, and whatever made this report writes one"], "")
        return
    wrong = [] if sha256 == lock.recipe_sha256 else [f"recipe sha256 is {sha256}, the lock says {lock.recipe_sha256}"]
    given, defaults = settings_drift(lock, claims.recipe)
    wrong += given
    if lock.seed != report.seed:
        wrong.append(f"seed: the lock says {lock.seed}, the report {report.seed}")
    yield compared(LOCKED, "recipe", wrong, f"{len(lock.settings) - len(defaults)} settings are the recipe's")
    if defaults:
        yield unchecked(
            LOCKED, "defaults", f"this version has others, and the recipe does not say: {'; '.join(defaults)}"
        )
    pairs = {
        "teacher": (lock.models.get("pull"), locked_model(report.teacher)),
        "data": (lock.data, locked_data(report.task)),
        "versions": (lock.environment, report.environment),
        "versions of single steps": (lock.deviating, report.deviating),
    }
    for name, (locked, reported) in pairs.items():
        wrong = [] if locked == reported else ["lock and report do not say the same"]
        yield compared(LOCKED, name, wrong, "lock and report say the same")


def check_run(run: RunFolder, student: Path) -> Iterator[Finding]:
    """Check a run's steps against their records, and the files at its top against the student's."""
    steps, wrong = 0, []
    for path in sorted((run.path / "steps").glob(f"[!.]*/{RECORD}")):
        record = run.record(path.parent.name)
        steps += 1
        if record and digest_folder(path.parent, leave_out=NOTES)[0] != record.digest:
            wrong.append(f"{path.parent} does not hold what the step left there")
    yield compared(FILES, "steps", wrong, f"{steps} steps hold what they left")
    names = [path.relative_to(student) for path in sorted(student.rglob("*")) if path.is_file()]
    copies = [name for name in names if (run.path / name).is_file() and name.as_posix() != "recipe.yaml"]
    # A lock without files is that of a run in progress; the student keeps its own.
    wrong = [
        f"{run.path / name} is not the student's"
        for name in copies
        if not filecmp.cmp(run.path / name, student / name, shallow=False) and not _under_way(run.path / name)
    ]
    yield compared(FILES, "copies on top", wrong, f"{len(copies)} files are the student's")


def check_student_files(claims: Claims) -> Iterator[Finding]:
    """Check a run's student against the steps that it was assembled from, except its card, which people edit."""
    run = claims.place.run
    if run is None:
        return
    if _under_way(run.path / LOCK):
        yield unchecked(FILES, "student", "the run is under way again, with other steps than this student's")
        return
    sources = {name: path for name, path in student_files(run.step, claims.recipe).items() if name != CARD}
    wrong = [
        f"{name} is not what the steps left"
        for name, source in sources.items()
        if not (source.is_file() and name in claims.place.names)
        or not filecmp.cmp(source, claims.place.folder / name, shallow=False)
    ]
    yield compared(FILES, "student", wrong, f"{len(sources)} files are what the steps left")


def _under_way(path: Path) -> bool:
    return path.name == LOCK and not Lock.load(path).files
