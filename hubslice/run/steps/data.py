"""Data step: open, split and fingerprint the task's data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from hubslice.artefacts.report import TaskReport
from hubslice.core.cost import SMALL_FILE, Cost, Workload
from hubslice.core.errors import DataError
from hubslice.engine.step import Context, Step
from hubslice.hub.ref import check_data
from hubslice.recipe.paths import place
from hubslice.recipe.schema import DataParams

if TYPE_CHECKING:
    from hubslice.task.task import Task

TASK, READING = "task.json", "reading.json"


@dataclass(frozen=True, kw_only=True)
class DataStep(Step):
    """Open and split the data, and read every image once; writes facts and fingerprint to `task.json`.

    The data must have the `classes`. `reading.json` records how images were read: if that changes, everything computed
    from them is recomputed.
    """

    kind: ClassVar[str] = "data"
    version: ClassVar[int] = 5
    free: ClassVar[frozenset[str]] = frozenset({"base"})

    data: DataParams
    seed: int
    classes: tuple[str, ...]
    local: tuple[int, ...] | None
    base: Path

    @classmethod
    def of(cls, data: DataParams, base: Path, seed: int, classes: Iterable[str] = ()) -> DataStep:
        """Return the step for the current state of the data."""
        named = tuple(sorted(set(classes)))
        return cls(data=data, seed=seed, classes=named, local=_stamp(place(data.path, base)), base=base)

    @property
    def title(self) -> str:
        return f"Open and split {self.data.path}"

    def cost(self, work: Workload) -> Cost:
        return Cost(work.looking[self.name], SMALL_FILE)

    def run(self, context: Context) -> None:
        from hubslice.modality.image.reading import READER
        from hubslice.task.verify import verify_images

        open_task.cache_clear()
        task = open_task(self.data, self.base, self.seed)
        unknown = [name for name in self.classes if name not in task.labels]
        if unknown:
            near = get_close_matches(unknown[0], task.labels, 1)
            raise DataError(
                f"the recipe names the class '{unknown[0]}', which {self.data.path} does not have",
                hint=f"did you mean '{near[0]}'?" if near else f"its classes are {', '.join(task.labels)}",
            )
        verify_images(task, context.reporter)
        task.report.save(context.out / TASK)
        (context.out / READING).write_text(json.dumps({"reader": READER}) + "\n")

    def open(self, folder: Path) -> Task:
        """Return the task that the step saw."""
        return same_task(self.data, self.base, self.seed, folder)

    def opening(self) -> Mapping[str, object]:
        where = {"path": "", "revision": None}  # the content's fingerprint replaces them
        return {"data": self.data.model_copy(update=where), "seed": self.seed}


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Return a stamp that changes with local data, without reading it."""
    from hubslice.task.walk import stamps

    if not path.exists():
        return None
    try:
        stats = [path.stat()] if path.is_file() else stamps(path)
    except OSError:  # the step reports it
        return ()
    return len(stats), sum(each.st_size for each in stats), max((each.st_mtime_ns for each in stats), default=0)


@lru_cache(maxsize=1)
def open_task(data: DataParams, base: Path, seed: int) -> Task:
    """Return the task, opened once per process."""
    from hubslice.hub.session import install
    from hubslice.task.task import load_task

    check_data(data.path, base, data.revision)
    install()  # the data may be on the Hub
    return load_task(data, base, seed)


def same_task(data: DataParams, base: Path, seed: int, folder: Path) -> Task:
    """Return the task that the data step at `folder` saw.

    Raises:
        DataError: the data has changed since then.
    """
    seen = TaskReport.load(folder / TASK)
    if seen.revision is not None:  # a branch may have moved since then
        data = data.model_copy(update={"revision": seen.revision})
    task = open_task(data, base, seed)
    if task.report.fingerprint != seen.fingerprint:
        raise DataError(
            f"the data at {data.path} changed while the run was under way", hint="give the same command again"
        )
    return task
