"""Where and from what a result comes: commit, processor, versions."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Self

from hubslice.core.artefact import Artefact

PACKAGES = ("hubslice", "torch", "onnxruntime-gpu", "onnxruntime", "timm", "numpy")


class Machine(Artefact):
    """What a measurement was made on."""

    date: str
    commit: str
    processor: str
    cores: int
    threads: int
    python: str
    packages: dict[str, str]

    @classmethod
    def here(cls, threads: int) -> Self:
        """The machine at hand and the commit of the checkout, with a + where hubslice differs from it."""
        return cls(
            date=datetime.now(UTC).date().isoformat(),
            commit=_git("rev-parse", "--short=12", "HEAD") + "+" * bool(_git("status", "--porcelain", ":/hubslice")),
            processor=_processor(),
            cores=os.cpu_count() or 0,
            threads=threads,
            python=platform.python_version(),
            packages=installed(PACKAGES),
        )

    @property
    def line(self) -> str:
        """All of it in a sentence."""
        packages = ", ".join(f"{name} {version}" for name, version in self.packages.items())
        return (
            f"{self.date}, commit {self.commit}, {self.processor}, {self.cores} cores, {self.threads} threads, "
            f"Python {self.python}, {packages}"
        )


def installed(names: Iterable[str]) -> dict[str, str]:
    """The versions of those packages that are there."""
    return {name: found for name in names if (found := _version(name))}


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
