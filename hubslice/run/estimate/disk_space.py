"""Check that a run's files fit on the disks that they are written to."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from hubslice.core.artefact import Artefact
from hubslice.core.numbers import size_in_words
from hubslice.hub.disk_space import existing


class DiskNeed(Artefact):
    """Bytes to be written to one file system, and those that are free on it; it contains `folders`."""

    folders: tuple[str, ...]
    needed: int
    free: int

    @property
    def warning(self) -> str | None:
        """The warning if disk space does not suffice."""
        if self.needed <= self.free:
            return None
        places = " and ".join(self.folders)
        return f"the disk of {places} has {size_in_words(self.free)} left, the run needs {size_in_words(self.needed)}"


def disk_needs(writes: Sequence[tuple[Path, int]]) -> tuple[DiskNeed, ...]:
    """Add up the bytes to be written to folders, by file system."""
    by_disk: dict[int, list[tuple[Path, int]]] = {}
    for folder, size in writes:
        by_disk.setdefault(existing(folder).stat().st_dev, []).append((folder, size))
    return tuple(
        DiskNeed(
            folders=tuple(str(folder) for folder, _ in found),
            needed=sum(size for _, size in found),
            free=shutil.disk_usage(existing(found[0][0])).free,
        )
        for found in by_disk.values()
    )


def linked(source: Path, target: Path) -> bool:
    """Return whether files can be hard-linked from one folder to the other: both are on one file system."""
    return existing(source).stat().st_dev == existing(target).stat().st_dev
