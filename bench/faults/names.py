"""Names as strangers may choose them, in every output: tests/faults/test_nasty_*.py, test by test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

from .outcome import Trial

PART = "nasty names"
ROOT = Path(__file__).parents[2]
GROUPS = {
    what: f"tests/faults/test_nasty_{file}.py"
    for what, file in {"commands": "names", "cards and plots": "cards", "pages": "pages", "push": "push"}.items()
}
COUNTED = False  # how many there are, pytest alone can tell


def names(file: str) -> list[str]:
    """The tests of the file."""
    found = _pytest("--collect-only", "-q", file).stdout
    return [line.strip() for line in found.splitlines() if "::" in line]


def trials(file: str, names: Sequence[str], place: Path, scratch: Path, keep: Path | None) -> Iterator[Trial]:
    """The tests of these names; one that is skipped, for want of a browser, shows nothing."""
    told = scratch / "told.xml"
    _pytest("-q", "-m", "", f"--junitxml={told}", *names)
    for case in ElementTree.parse(told).iter("testcase"):  # our own pytest wrote it
        wrong = [f"{each.tag}: {each.get('message')}" for each in case if each.tag in ("failure", "error", "skipped")]
        name = f"{file}::{case.get('name')}"
        seconds = float(case.get("time") or 0)
        yield Trial(name=name, ends=("1" if wrong else "0",), wrong=tuple(wrong), seconds=seconds, slowest=seconds)


def _pytest(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--show-capture=no", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
