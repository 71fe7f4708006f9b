"""Whether what a run writes fits on the disks it goes to."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from hubslice.core.artefact import Artefact
from hubslice.core.numbers import size_in_words
from hubslice.hub.disk_space import existing


class DiskNeed(Artefact):
    """Bytes that are to be written to one file system, and those that are free there now; `folders` lie on it."""

    folders: tuple[str, ...]
    needed: int
    free: int

    @property
    def warning(self) -> str | None:
        """What to say where it does not suffice."""
        if self.needed <= self.free:
            return None
        places = " and ".join(self.folders)
        return f"the disk of {places} has {size_in_words(self.free)} left, the run needs {size_in_words(self.needed)}"


def disk_needs(writes: Sequence[tuple[Path, int]]) -> tuple[DiskNeed, ...]:
    """Folders with the bytes that go there, added up by file system."""
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
    """Whether files can go from one folder to the other as hard links: both are on one file system."""
    return existing(source).stat().st_dev == existing(target).stat().st_dev
