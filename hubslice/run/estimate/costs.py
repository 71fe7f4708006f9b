"""Combine a first inspection and a micro benchmark to the input of the steps' cost estimates."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from hubslice.core.cost import Workload
from hubslice.run.estimate.preflight import TeacherPreview

if TYPE_CHECKING:
    from hubslice.run.estimate.micro_benchmark import Costs
    from hubslice.task.task import Task

SPLITS = ("train", "validation", "test")


def workload(
    costs: Costs, teachers: Mapping[str, TeacherPreview], task: Task | None, looking: Mapping[str, float]
) -> Workload:
    """Return the measurements with the counts of the task, which all steps need except those that pull and export."""
    preparation = teachers["pull"].preprocessing
    return Workload(
        units=costs,
        samples={split: len(getattr(task, split)) for split in SPLITS} if task else {},
        classes=tuple(np.bincount(task.train.targets).tolist()) if task else (),
        image=prod(preparation.input_size) if preparation else 1,
        weights=costs.layers.weights if costs.layers else 0,
        files={step: teacher.bytes for step, teacher in teachers.items()},
        missing={step: teacher.download_bytes for step, teacher in teachers.items()},
        looking=looking,
    )
