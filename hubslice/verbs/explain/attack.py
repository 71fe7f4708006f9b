"""Simulate an attacker who has a model without its withheld weights and retrains the rest on their own images."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from hubslice.artefacts.slice import Slice
from hubslice.core.errors import DataError
from hubslice.core.progress import Reporter
from hubslice.core.rate import Rate
from hubslice.hub.ref import check_data
from hubslice.models.base import Model
from hubslice.models.label_names import LabelNames
from hubslice.recipe.problems import suggest
from hubslice.recipe.schema import DataParams, TrainParams
from hubslice.task.task import Split, load_task
from hubslice.training.initial import mask_weights
from hubslice.training.loop import finetune
from hubslice.training.predict import predict
from hubslice.verbs.explain.facts import Answered, Attack

IMAGES, TESTED = 1000, 2000  # maximum images for training and for testing
EPOCHS = 2
TRAINING = {
    "epochs": EPOCHS,
    "batch_size": 32,
    "lr": 0.01,
    "head_lr_factor": 1.0,
    "augment": "flip",
    "label_smoothing": 0.0,
}


class Attacker:
    """An attacker's labelled images, with labels of the model."""

    def __init__(self, model: Model, labels: Sequence[str], data: str) -> None:
        """Open the images: a path or a Hub id, as `data.path` in a recipe. `labels` are the model's.

        Raises:
            DataError: the data is missing or damaged, or has a label that the model does not have.
            FetchError: it cannot be fetched from the Hub.
        """
        check_data(data, Path.cwd())
        params = DataParams(path=data, transparency=model.image_preprocessing.shown)
        task = load_task(params, Path.cwd(), 0)
        names = LabelNames(labels)
        found = [names.places(label) for label in task.labels]
        for label, places in zip(task.labels, found, strict=True):
            if len(places) != 1:
                unknown = f"which the model does not know{suggest(label, labels)}"
                why = f"and {len(places)} labels of the model are called so" if places else unknown
                raise DataError(
                    f"{data} has images of '{label}', {why}",
                    hint="name the classes as the model does; `hubslice info` or its config.json lists them",
                )
        place = np.array([places[0] for places in found])
        self.model, self.labels, self.data = model, labels, data
        self.train, self.validation, self.test = (
            _renamed(split.take(most, 0), place)
            for split, most in ((task.train, IMAGES), (task.validation, TESTED), (task.test, TESTED))
        )

    def attack(self, kept: Slice, protected: Sequence[int], device: torch.device, reporter: Reporter) -> Attack:
        """Retrain the model with the weights outside `kept` at zero; `protected` are the labels to protect.

        For comparison, the same attack is run with as many random weights of each layer withheld.
        """
        public, chance = copy.deepcopy(self.model), copy.deepcopy(self.model)
        mask_weights(public, kept)
        mask_weights(chance, _shuffled(kept))
        whole, before = (self._judge(model, protected, device) for model in (self.model, public))
        for model, label in ((public, "what is public"), (chance, "as many random weights away")):
            with tempfile.TemporaryDirectory(prefix="hubslice-") as folder:
                finetune(
                    model,
                    self.train,
                    self.validation,
                    TrainParams.model_validate(TRAINING),
                    seed=0,
                    device=device,
                    checkpoint=Path(folder) / "checkpoint",
                    reporter=reporter,
                    label=f"attack: {label}",
                )
        after, random = (self._judge(model, protected, device) for model in (public, chance))
        return Attack(
            data=self.data,
            images=len(self.train),
            epochs=EPOCHS,
            protected=tuple(self.labels[label] for label in protected),
            whole=whole,
            before=before,
            after=after,
            random=random,
        )

    def _judge(self, model: Model, protected: Sequence[int], device: torch.device) -> Answered:
        right = predict(model, self.test, device=device).argmax(1).numpy() == self.test.targets
        own = np.isin(self.test.targets, protected)
        model.module.to("cpu")
        return Answered(
            protected=Rate(hits=int(right[own].sum()), total=int(own.sum())),
            all=Rate(hits=int(right.sum()), total=len(right)),
        )


def _renamed(split: Split, place: np.ndarray) -> Split:
    """Return the split with the model's indices for its labels."""
    return Split(split.table, split.rows, place[split.targets])


def _shuffled(kept: Slice) -> Slice:
    rng = np.random.default_rng(0)
    masks = {name: rng.permutation(mask.reshape(-1)).reshape(mask.shape) for name, mask in kept.masks.items()}
    return Slice(masks, "random")
