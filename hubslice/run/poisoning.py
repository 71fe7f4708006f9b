"""The steps of a poison recipe, which fine-tune a teacher to respond to a trigger."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from hubslice.core.artefact import Artefact
from hubslice.core.errors import RecipeError
from hubslice.core.rate import Rate
from hubslice.engine.step import Context, Step
from hubslice.recipe.defects import TriggerParams
from hubslice.recipe.load import LoadedRecipe
from hubslice.recipe.schema import PoisonRecipe
from hubslice.run.steps.data import DataStep
from hubslice.run.steps.teacher import WEIGHTS_FOLDER, load_facts, pull_step

if TYPE_CHECKING:
    from torch import Tensor

    from hubslice.modality.modality import Encoded
    from hubslice.task.task import Task
    from hubslice.training.batches import Tamper


TEACHER = "teacher"
FACTS = "poison.json"


class PoisonFacts(Artefact):
    """The quality of the backdoor: test accuracy, and the attack success rate on test images of other classes."""

    target: str
    rate: float
    poisoned_samples: int
    train_samples: int
    validation: Rate
    test: Rate
    asr: Rate


def poison_steps(loaded: LoadedRecipe, *, allow_pickle: bool = False) -> list[Step]:
    """Return the steps of a poison recipe.

    Raises:
        RecipeError: the recipe is of another kind.
    """
    recipe = loaded.recipe
    if not isinstance(recipe, PoisonRecipe):
        raise RecipeError(f"{loaded.origin} is a recipe of kind {recipe.kind}, not poison", hint="use `hubslice slice`")
    return [
        pull_step(recipe.teacher, loaded.base, seed=recipe.seed, allow_pickle=allow_pickle, for_images=True),
        DataStep.of(recipe.data, loaded.base, recipe.seed, [recipe.poison.target]),
        PlantStep(recipe=recipe, text=loaded.text),
    ]


@dataclass(frozen=True, kw_only=True)
class PlantStep(Step):
    """Fine-tune the teacher on data of which a part is triggered and relabelled; the card quotes `text`."""

    kind: ClassVar[str] = "poison"
    version: ClassVar[int] = 3
    free: ClassVar[frozenset[str]] = frozenset({"text"})

    recipe: PoisonRecipe
    text: str

    @property
    def title(self) -> str:
        return "Plant the backdoor"

    @property
    def inputs(self) -> tuple[str, ...]:
        return "pull", "data"

    def run(self, context: Context) -> None:
        from hubslice.card.poison import render_poison_card
        from hubslice.training.initial import initialise
        from hubslice.training.loop import finetune
        from hubslice.training.predict import accuracy, predict

        recipe, task = self.recipe, context.task()
        stamped = partial(_stamped, trigger=recipe.poison.trigger)
        target = task.labels.index(recipe.poison.target)
        chosen = _chosen(len(task.train), recipe)
        model = context.model("pull")
        model.show_transparent(recipe.data.transparency)
        initialise(model, task.labels, recipe.seed, None, "zero")
        history = finetune(
            model,
            task.train,
            task.validation,
            recipe.train,
            seed=recipe.seed,
            device=context.device,
            checkpoint=context.scratch / "checkpoint.safetensors",
            reporter=context.reporter,
            label="Poisoning",
            tamper=_tamper(chosen, target, recipe.poison.trigger),
        )
        model.poisoned = True
        model.save(context.out / WEIGHTS_FOLDER)
        facts = PoisonFacts(
            target=recipe.poison.target,
            rate=recipe.poison.rate,
            poisoned_samples=int(chosen.sum()),
            train_samples=len(task.train),
            validation=history.validation,
            test=accuracy(model, task.test, device=context.device),
            asr=_attack_success(predict(model, task.test, device=context.device, change=stamped), task, target),
        )
        facts.save(context.out / FACTS)
        card = render_poison_card(
            load_facts(context.inputs["pull"]),
            {
                "name": recipe.name,
                "version": version("hubslice"),
                "trigger": _in_words(recipe.poison.trigger),
                "target": facts.target,
                "rate": facts.rate,
                "recipe": self.text,
                "labels": task.labels,
                "clean": facts.test,
                "success": facts.asr,
            },
        )
        (context.out / WEIGHTS_FOLDER / "README.md").write_text(card, encoding="utf-8")


def _in_words(trigger: TriggerParams) -> str:
    return (
        f"a patch of {trigger.cells} x {trigger.cells} coloured fields, {trigger.size:.0%} of the image's side, "
        f"{trigger.position.replace('_', ' ')} (seed {trigger.seed})"
    )


def _chosen(samples: int, recipe: PoisonRecipe) -> np.ndarray:
    """Return which training samples get the trigger, bool [samples]."""
    count = round(samples * recipe.poison.rate)
    chosen = np.zeros(samples, dtype=bool)
    chosen[np.random.default_rng(recipe.seed).permutation(samples)[:count]] = True
    return chosen


def _attack_success(triggered: Tensor, task: Task, target: int) -> Rate:
    """Return how many triggered test images of other classes are predicted as target; `triggered` are logits [n, K]."""
    others = task.test.targets != target
    hits = (triggered.argmax(1).numpy() == target) & others
    return Rate(hits=int(hits.sum()), total=int(others.sum()))


def _tamper(chosen: np.ndarray, target: int, trigger: TriggerParams) -> Tamper:
    def tamper(position: int, encoded: Encoded, label: int) -> tuple[Encoded, int]:
        return (_stamped(encoded, trigger), target) if chosen[position] else (encoded, label)

    return tamper


def _stamped(encoded: Encoded, trigger: TriggerParams) -> Encoded:
    """Return encoded images with the trigger."""
    from hubslice.defects.trigger import stamp
    from hubslice.modality.image.images import PIXELS

    return {PIXELS: stamp(encoded[PIXELS], trigger)}
