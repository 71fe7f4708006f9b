"""Check that a training is possible as soon as model and data are available, before anything long starts."""

from __future__ import annotations

from hubslice.artefacts.report import TaskReport
from hubslice.core.processes import world
from hubslice.engine.run_folder import RunFolder
from hubslice.recipe.schema import SliceRecipe
from hubslice.run.steps.data import TASK
from hubslice.run.steps.teacher import WEIGHTS_FOLDER


def check_trainable(recipe: SliceRecipe, folder: RunFolder) -> None:
    """Check that the recipe's batches can be trained on; the folder contains the teacher and the opened data.

    Raises:
        RecipeError: they are of one image, of which the teacher cannot be trained.
        DataError: there are fewer samples than processes.
    """
    from hubslice.models.folder import load_model
    from hubslice.training.batches import EpochBatches
    from hubslice.training.single import check_batches

    samples = TaskReport.load(folder.step("data") / TASK).samples["train"]
    trained = [params for params in recipe.train.candidates() if params.epochs]
    batches = EpochBatches(samples, recipe.train.batch_size, recipe.seed, world=world())
    if trained and batches.least == 1:
        teacher = load_model(folder.step("pull") / WEIGHTS_FOLDER, input_size=recipe.teacher.input_size)
        check_batches(teacher, trained[0], batches)
