"""Verify a student: every claim against its sources, as far as they are available."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from safetensors import SafetensorError

from hubslice.artefacts.lock import LOCK, Lock
from hubslice.artefacts.report import Report
from hubslice.core.device import resolve_device
from hubslice.core.errors import DataError, FetchError, HubsliceError
from hubslice.core.foreign_errors import first_line
from hubslice.core.paths import as_path
from hubslice.core.progress import Reporter
from hubslice.engine.run_folder import undisturbed
from hubslice.files.names import REPORT
from hubslice.hub.signature import TrustedIdentity, TrustedKey, check_trusted, trusted_signer
from hubslice.verbs.verify.card import check_card, check_results
from hubslice.verbs.verify.claims import Claims, Place, open_place, open_recipe
from hubslice.verbs.verify.effort import Effort
from hubslice.verbs.verify.exposure import check_exposure
from hubslice.verbs.verify.facts import Finding, Verification, compared
from hubslice.verbs.verify.files import FILES, LOCKED, check_files, check_lock, check_run, check_student_files
from hubslice.verbs.verify.numbers import (
    check_accuracies,
    check_defects,
    check_deviations,
    check_gates,
    check_report,
    check_search,
    check_slice,
)
from hubslice.verbs.verify.params import VerifyParams
from hubslice.verbs.verify.signature import PART as SIGNED
from hubslice.verbs.verify.signature import check_signature
from hubslice.verbs.verify.sources import check_sources
from hubslice.verbs.verify.student import PART as STUDENT
from hubslice.verbs.verify.student import check_student

# Raised by code that reads a damaged file; that it cannot be read is the finding.
_UNREADABLE = (
    *(HubsliceError, SafetensorError, OSError, ValueError, KeyError, IndexError, TypeError),
    *(AttributeError, AssertionError, RuntimeError, ArithmeticError),
)


def verify(params: VerifyParams, reporter: Reporter) -> Verification:
    """Check files, numbers, card and predictions of a run, of a published student, or of a folder."""
    target = os.fspath(params.target)
    trusted = trusted_signer(as_path(params.key), params.identity, params.identity_provider)
    if trusted is not None:
        check_trusted(trusted)
    effort = Effort(params.sample, params.full, as_path(params.data), resolve_device(params.device))
    findings: list[Finding] = []
    with undisturbed(Path(target)), reporter.track(f"Verifying {target}", None, "claims") as bar:
        place = open_place(target)
        for finding in _findings(place, effort, trusted):
            findings.append(finding)
            bar.advance(1, finding.name)
    return Verification(target=target, commit=place.commit, findings=tuple(findings))


def _findings(place: Place, effort: Effort, trusted: TrustedKey | TrustedIdentity | None) -> Iterator[Finding]:
    yield from _guarded(SIGNED, lambda: check_signature(place, trusted))
    lock, lock_found = _lock(place)
    yield from lock_found
    if lock is not None or not lock_found:
        yield from _guarded(FILES, lambda: check_files(place, lock))
    run = place.run
    if run is not None:
        yield from _guarded(FILES, lambda: check_run(run, place.folder))
    try:
        loaded, recipe = open_recipe(place)
        claims = Claims(place, lock, Report.load(place.folder / REPORT), loaded, recipe)
    except HubsliceError as error:
        yield compared(FILES, "report and recipe", [error.headline], "")
        return
    yield from _guarded(FILES, lambda: check_student_files(claims))
    yield from _guarded(LOCKED, lambda: check_lock(claims))
    yield from _guarded("sources", lambda: check_sources(claims, full=effort.full))
    for check in (
        check_report,
        check_accuracies,
        check_defects,
        check_deviations,
        check_exposure,
        check_slice,
        check_search,
        check_gates,
    ):
        yield from _guarded("report", lambda check=check: check(claims))  # type: ignore[misc]
    yield from _guarded("card", lambda: check_card(claims))
    yield from _guarded("card", lambda: check_results(claims))
    yield from _guarded(STUDENT, lambda: check_student(claims, effort))


def _lock(place: Place) -> tuple[Lock | None, list[Finding]]:
    """Return the lock, or None with the finding that it cannot be read."""
    if LOCK not in place.names:
        return None, []
    try:
        return Lock.load(place.folder / LOCK), []
    except HubsliceError as error:
        return None, [compared(LOCKED, LOCK, [error.headline], "")]


def _guarded(part: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Yield the check's findings; a file that cannot be read gives one."""
    try:
        yield from check()
    except (FetchError, DataError):
        raise
    except _UNREADABLE as error:
        what = error.headline if isinstance(error, HubsliceError) else f"{type(error).__name__}: {first_line(error)}"
        yield compared(part, "cannot be read", [what], "")
