"""Where the student deviates from the fine-tuned baseline: a search from test pictures, as evidence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hubslice.artefacts.report import BASELINE, STUDENT
from hubslice.engine.step import Context, Step
from hubslice.recipe.deviation import DiffParams
from hubslice.recipe.schema import SliceRecipe
from hubslice.run.arms import Arm, step_name
from hubslice.run.steps.audit import EVIDENCE
from hubslice.run.steps.data import same_task
from hubslice.run.steps.teacher import WEIGHTS_FOLDER

FACTS, TRIGGERS, GALLERY = "deviations.json", "deviations.safetensors", "deviations.png"  # under evidence/
LANES = 64
COMPARED = (BASELINE, STUDENT)


def diff_step(recipe: SliceRecipe, params: DiffParams, arms: Sequence[Arm], base: Path) -> Step:
    """Search with the saved models; finished seeds survive a kill."""
    steps = [step_name("train", arm) for name in COMPARED for arm in arms if arm.name == name]

    def run(context: Context) -> None:
        from hubslice.deviation.deviations import Places, Seeds, facts_of, search_seeds, write_evidence
        from hubslice.deviation.finished import Finished
        from hubslice.deviation.opening import open_pair
        from hubslice.task.titles import title

        device = str(context.device)
        search = params.search(recipe.seed)
        a, b = (str(context.inputs[name] / WEIGHTS_FOLDER) for name in steps)
        pair, models = open_pair(
            a,
            b,
            mapped=None,
            resize=False,
            input_size=None,
            device=device,
            reporter=context.reporter,
            names=COMPARED,
        )
        task = same_task(recipe.data, base, recipe.seed, context.inputs["data"])
        drawn = task.test.take(params.seeds, recipe.seed)
        # By class and row: the names of files are the user's own, and this is published.
        names = tuple(title(task.labels[target], row) for target, row in zip(drawn.targets, drawn.rows, strict=True))
        pictures = drawn.pixels(0, len(drawn), pair.a.preprocessing).numpy()
        seeds = Seeds("test split", names, pictures)
        finished = Finished.begin(context.scratch, "".join(model.fingerprint for model in models))
        outcomes, trouble = search_seeds(pair, seeds, search, LANES, finished, context.reporter)
        if trouble is not None:
            raise trouble
        facts = facts_of(pair, models, seeds, search, outcomes, device).model_copy(update={"seconds": None})
        untimed = tuple(result.model_copy(update={"seconds": None}) for result in facts.results)
        folder = context.out / EVIDENCE
        write_evidence(
            Places(folder / FACTS, folder / TRIGGERS, folder / GALLERY),
            facts.model_copy(update={"results": untimed}),
            pair,
            seeds,
            outcomes,
        )

    parameters = {"diff": params, "seed": recipe.seed}
    return Step("diff", "Search for deviations from the baseline", parameters, ("data", *steps), run, version=2)
