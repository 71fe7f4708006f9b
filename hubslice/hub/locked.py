"""Compare a student's files with the checksums in its lock."""

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
from hubslice.hub.loaded import left_behind, loaded
from hubslice.hub.restore import delta_in

# The Hub's own file, the card that people edit, other generated files, the lock itself, and the signature over
# everything.
BESIDE = frozenset({".gitattributes", CARD, RESULTS, LOCK, SIGNATURE})
MISSING = "the lock lists it, and it is missing"
UNLISTED = "the lock does not list it, and loaders read or run such files"
_NAMED = 10  # files listed in a message
_RESTORE = (
    "`hubslice slice RUN` lays the student out again; if that changes nothing, `hubslice verify RUN` names the step of "
    "the run that was changed too: delete its folder first"
)
_OTHER = f"to publish something else, take {LOCK}, {REPORT} and evidence/ out of the folder"


@dataclass(frozen=True)
class Compared:
    """The result of comparing a lock: the number of matching files, errors of others by path, and missing files."""

    agreeing: int
    differing: Mapping[str, str]
    missing: tuple[str, ...]


def compare(lock: Lock, found: Callable[[str], Digest | None]) -> Compared:
    """Compare every file in the lock with `found(path)`, which is None for missing files.

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
    """Return the files that the lock does not list: those that a loader would read or run, and the others."""
    found = names - {fact.path for fact in lock.files} - BESIDE
    risky = loaded(found)
    return risky, sorted(found - set(risky))


def check_locked(folder: Path, digests: Mapping[str, Digest]) -> list[str]:
    """Check that a folder to be published matches its lock; a folder without a lock passes.

    `digests` are those of the files to be published. If the weights are replaced by a delta, the restored weights
    count. Returns warnings about files that the lock does not list and that no loader reads or runs.

    Raises:
        VerificationError: a file or the lock was changed or is missing, or a loader would read or run a file that the
            lock does not list.
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
    risky, others = unlisted(lock, frozenset(digests) - {DELTA})
    added = [f"{named(path)}: {UNLISTED}" for path in risky]
    if wrong:
        raise _changed(folder, wrong + added)
    if added:
        raise VerificationError(
            f"{folder} holds more than the student that was measured, so it is not published:",
            _first(added),
            hint=f"take what the lock does not list out of the folder; {_OTHER}",
        )
    if not others:
        return []
    more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    return [f"published though {LOCK} does not list it: {', '.join(map(named, others[:_NAMED]))}{more}"]


def check_folder(folder: Path) -> None:
    """Run `check_locked` on all files of a folder that may be published.

    Raises:
        VerificationError: as for `check_locked`.
    """
    check_locked(folder, {name: digest(folder / name) for name in names_in(folder)})


def names_in(folder: Path) -> frozenset[str]:
    """Return the files of a folder that may be published: all except hidden ones and Python bytecode."""
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return frozenset(name for name in files if not left_behind(name))


def _with_weights(folder: Path, digests: Mapping[str, Digest]) -> Mapping[str, Digest]:
    if DELTA not in digests or WEIGHTS in digests:
        return digests
    whole = delta_in(folder).student
    return {**digests, whole.path: Digest(whole.size, whole.sha256, git="")}


def _writes_locks(report: Path) -> bool:
    """Return whether the report is from a version that writes a lock beside it."""
    try:
        return bool(json.loads(read_description(report)).get("predictions"))
    except (RunError, ValueError, AttributeError, RecursionError):
        return False


def _changed(folder: Path, wrong: list[str]) -> VerificationError:
    return VerificationError(
        f"{folder} is not the student that was measured, so it is not published:",
        _first(wrong),
        hint=f"{_RESTORE}; {_OTHER}",
    )


def _first(wrong: list[str]) -> list[str]:
    return wrong[:_NAMED] + ([f"and {len(wrong) - _NAMED} more"] if len(wrong) > _NAMED else [])
