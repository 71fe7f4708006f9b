"""Write the student's accuracy for the Hub's leaderboards: `.eval_results/hubslice.yaml`.

The same value is in the card's `model-index`, which covers any data; this file is for a registered benchmark.

https://huggingface.co/docs/hub/eval-results
"""

from __future__ import annotations

import yaml
from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

from hubslice.artefacts.report import Report
from hubslice.card.facts import student_of
from hubslice.card.formats import count
from hubslice.core.errors import InputError
from hubslice.recipe.schema import CardParams


def benchmark_results(report: Report, card: CardParams, repo_id: str) -> str | None:
    """Return the text of the file, None if the recipe names no benchmark or nothing was measured.

    Raises:
        InputError: the dataset is not from the Hub.
    """
    rate = student_of(report).test
    if card.benchmark is None or rate.value is None:
        return None
    if report.task.revision is None:
        raise InputError(
            f"card.benchmark is a result on a data set of the Hub, and the images came from {report.task.source} on "
            "this machine",
            hint="slice again where data.path is no folder of that name, or take card.benchmark out",
        )
    scale = 100 if card.benchmark.percent else 1
    low, high = (round(bound * scale, 2 if card.benchmark.percent else 4) for bound in rate.interval or (0.0, 0.0))
    entry = EvalResultEntry(
        dataset_id=report.task.source,
        task_id=card.benchmark.task,
        value=round(rate.value * scale, 2 if card.benchmark.percent else 4),
        dataset_revision=report.task.revision,
        source_url=f"https://huggingface.co/{repo_id}",
        source_name="Model card",
        notes=f"accuracy, n = {count(rate.total)}, 95 % interval {low:g} to {high:g}",
    )
    return yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False, allow_unicode=True)
