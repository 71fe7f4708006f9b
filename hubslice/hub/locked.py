"""A student's files against the checksums that its lock lists."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hubslice.artefacts.lock import LOCK, Lock
from hubslice.core.artefact import read_description
from hubslice.core.errors import RunError, VerificationError
from hubslice.core.escaping import named
from hubslice.files.names import CARD, DELTA, REPORT, RESULTS, SIGNATURE, WEIGHTS
from hubslice.hub.formats import check_path
from hubslice.hub.integrity import Digest, digest
from hubslice.hub.loaded import loaded
from hubslice.hub.restore import delta_in

# The Hub's own, the card into which people write, what else is rendered, the lock itself, the signature over all of it.
BESIDE = frozenset({".gitattributes", CARD, RESULTS, LOCK, SIGNATURE})
MISSING = "the lock lists it, and it is missing"
_NAMED = 10  # files that a message names
_RESTORE = (
    "`hubslice slice RUN` lays the student out again; if that changes nothing, `hubslice verify RUN` names the step of "
    "the run that was changed too: delete its folder first"
)
_OTHER = f"to publish something else, take {LOCK}, {REPORT} and evidence/ out of the folder"


@dataclass(frozen=True)
class Compared:
    """What came of a lock's files: how many agree, what is wrong with others by path, and which are not there."""

    agreeing: int
    differing: Mapping[str, str]
    missing: tuple[str, ...]


def compare(lock: Lock, found: Callable[[str], Digest | None]) -> Compared:
    """Every file that the lock lists with what `found` gives for its path; None: it is not there.

    Raises:
        IntegrityError: the lock lists a path outside the student's folder.
    """
    agreeing, differing, missing = 0, dict[str, str](), []
    for fact in lock.files:
        check_path(fact.path, LOCK)
        held = found(fact.path)
        if held is None:
            missing.append(fact.path)
        elif (held.size, held.sha256) == (fact.size, fact.sha256):
            agreeing += 1
        else:
            differing[fact.path] = f"sha256 is {held.sha256}, the lock says {fact.sha256}"
    return Compared(agreeing, differing, tuple(missing))


def unlisted(lock: Lock, names: frozenset[str]) -> tuple[list[str], list[str]]:
    """Files besides those that the lock lists: the ones that a loader would read or run, and the others."""
    found = names - {fact.path for fact in lock.files} - BESIDE
    risky = loaded(found)
    return risky, sorted(found - set(risky))


def check_locked(folder: Path, digests: Mapping[str, Digest]) -> list[str]:
    """Make sure that a folder about to be published holds what its lock lists; a folder without a lock passes.

    `digests` are those of the files to be published. Where a difference stands in for the weights, the weights that it
    makes count. The result are warnings: of files that the lock does not list and that loaders read or run.

    Raises:
        VerificationError: a file was changed or is missing, or the lock is.
    """
    if LOCK not in digests:
        if REPORT in digests and _writes_locks(folder / REPORT):
            raise _changed(folder, [f"{LOCK} is missing, and whatever made {REPORT} writes one"])
        return []
    try:
        lock = Lock.load(folder / LOCK)
    except RunError as error:
        raise _changed(folder, [error.headline]) from error
    wrong = [] if lock.is_text_of(folder / LOCK) else [f"{LOCK} is not as hubslice writes it"]
    if not lock.files:
        wrong.append(f"{LOCK} lists no files: it is that of an unfinished run")
    found = compare(lock, _with_weights(folder, digests).get)
    wrong += [f"{named(path)}: {what}" for path, what in found.differing.items()]
    wrong += [f"{named(path)}: {MISSING}" for path in found.missing]
    if wrong:
        raise _changed(folder, wrong)
    risky, _ = unlisted(lock, frozenset(digests) - {DELTA})
    if not risky:
        return []
    more = f" and {len(risky) - _NAMED} more" if len(risky) > _NAMED else ""
    told = ", ".join(map(named, risky[:_NAMED])) + more
    return [f"{LOCK} does not list {told}, which loaders read or run: `hubslice verify` will tell everybody so"]


def check_folder(folder: Path) -> None:
    """As `check_locked`, for all files that a folder's lock may list.

    Raises:
        VerificationError: a file was changed or is missing, or the lock is.
    """
    files = (path for path in folder.rglob("*") if path.is_file())
    check_locked(folder, {path.relative_to(folder).as_posix(): digest(path) for path in files})


def _with_weights(folder: Path, digests: Mapping[str, Digest]) -> Mapping[str, Digest]:
    if DELTA not in digests or WEIGHTS in digests:
        return digests
    whole = delta_in(folder).student
    return {**digests, whole.path: Digest(whole.size, whole.sha256, git="")}


def _writes_locks(report: Path) -> bool:
    """Whether the report is of a version that writes a lock beside it."""
    try:
        return bool(json.loads(read_description(report)).get("predictions"))
    except (RunError, ValueError, AttributeError, RecursionError):
        return False


def _changed(folder: Path, wrong: list[str]) -> VerificationError:
    told = wrong[:_NAMED] + ([f"and {len(wrong) - _NAMED} more"] if len(wrong) > _NAMED else [])
    return VerificationError(
        f"{folder} is not the student that was measured, so it is not published:",
        told,
        hint=f"{_RESTORE}; {_OTHER}",
    )
