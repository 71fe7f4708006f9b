"""The task's data: opened, split and fingerprinted."""

from __future__ import annotations

import json
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from hubslice.artefacts.report import TaskReport
from hubslice.core.errors import DataError
from hubslice.engine.step import Context, Step
from hubslice.hub.ref import check_data
from hubslice.recipe.paths import place
from hubslice.recipe.schema import DataParams

if TYPE_CHECKING:
    from hubslice.task.task import Task

TASK, READING = "task.json", "reading.json"


def data_step(data: DataParams, base: Path, seed: int, classes: Iterable[str] = ()) -> Step:
    """Open and split the data, and read every picture once; leaves facts and fingerprint in `task.json`.

    The data must have the `classes`. `reading.json` tells how images were read: where that changes, whatever was
    computed from them is computed again.
    """
    named = sorted(set(classes))

    def run(context: Context) -> None:
        from hubslice.modality.image.reading import READER
        from hubslice.task.verify import verify_pictures

        open_task.cache_clear()
        task = open_task(data, base, seed)
        unknown = [name for name in named if name not in task.labels]
        if unknown:
            near = get_close_matches(unknown[0], task.labels, 1)
            raise DataError(
                f"the recipe names the class '{unknown[0]}', which {data.path} does not have",
                hint=f"did you mean '{near[0]}'?" if near else f"its classes are {', '.join(task.labels)}",
            )
        verify_pictures(task, context.reporter)
        task.report.save(context.out / TASK)
        (context.out / READING).write_text(json.dumps({"reader": READER}) + "\n")

    parameters = {"data": data, "seed": seed, "classes": named, "local": _stamp(place(data.path, base))}
    return Step("data", f"Open and split {data.path}", parameters, (), run, version=4)


def _stamp(path: Path) -> list[int] | None:
    """What tells that local data changed, without reading it."""
    from hubslice.task.walk import stamps

    if not path.exists():
        return None
    try:
        stats = [path.stat()] if path.is_file() else stamps(path)
    except OSError:  # the step tells it
        return []
    return [len(stats), sum(each.st_size for each in stats), max((each.st_mtime_ns for each in stats), default=0)]


@lru_cache(maxsize=1)
def open_task(data: DataParams, base: Path, seed: int) -> Task:
    """The task, opened once a process."""
    from hubslice.hub.session import install
    from hubslice.task.task import load_task

    check_data(data.path, base, data.revision)
    install()  # the data may be on the Hub
    return load_task(data, base, seed)


def same_task(data: DataParams, base: Path, seed: int, folder: Path) -> Task:
    """The task that the data step at `folder` saw.

    Raises:
        DataError: the data has changed since.
    """
    seen = TaskReport.load(folder / TASK)
    if seen.revision is not None:  # a branch may have moved since
        data = data.model_copy(update={"revision": seen.revision})
    task = open_task(data, base, seed)
    if task.report.fingerprint != seen.fingerprint:
        raise DataError(
            f"the data at {data.path} changed while the run was under way", hint="give the same command again"
        )
    return task
