"""One set of classes to protect: what is withheld by every method, and what an attacker makes of the rest."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from hubslice.artefacts.slice import Slice
from hubslice.core.artefact import Artefact
from hubslice.core.progress import Silent
from hubslice.core.rate import Rate
from hubslice.models.base import Model
from hubslice.recipe.schema import TrainParams
from hubslice.slicing.nnslicer import above_smallest
from hubslice.training.initial import mask_weights
from hubslice.training.loop import finetune

from ..machine import Machine
from ..reuse.data import LABELS
from ..simplification.measures import TESTED, Measures, fashion
from ..simplification.subsets import subsets

SHARES = (0.1, 0.5, 0.9)
METHODS = {"nnslicer": "NNSlicer, theta 0.1", "path": "EffectivePath", "magnitude": "magnitude", "random": "random"}
PROTECTED = (0, 1, 2)  # numbers of the subsets of bench.simplification: two, three and four classes
IMAGES, VALIDATION = 1000, 200  # of all ten classes, in the attacker's hands
ATTACK = {
    "epochs": 2,
    "batch_size": 32,
    "lr": 0.01,
    "head_lr_factor": 1.0,
    "augment": "flip",
    "label_smoothing": 0.0,
    "precision": "fp32",
}


class Answers(Artefact):
    """Accuracy among all ten classes, on images of the protected classes and of all."""

    target: Rate
    all: Rate


class Cell(Artefact):
    """A method at a share of withheld weights, before and after the attacker's training."""

    method: str
    share: float
    before: Answers
    after: Answers


class Outcome(Artefact):
    """A protected set of classes; `whole` is the teacher's own accuracy."""

    teacher: str
    subset: int
    classes: tuple[str, ...]
    whole: Answers
    cells: tuple[Cell, ...]
    machine: str


def solve(name: str, measures: Measures, subset: int, images: Path) -> Outcome:
    """All methods and shares. Withheld weights start at zero for the attacker, who trains everything."""
    classes = subsets()[subset]
    train, _ = fashion(images)
    fit = train.at(np.arange(len(train) - IMAGES, len(train)))  # none that was traced: those are the first
    validate = train.at(np.arange(len(train) - IMAGES - VALIDATION, len(train) - IMAGES))
    cells = []
    for share in SHARES:
        for method in METHODS:
            stolen = copy.deepcopy(measures.model)
            mask_weights(stolen, public(measures, method, classes, share, subset))
            before = answers(stolen, measures, classes)
            with tempfile.TemporaryDirectory() as folder:
                finetune(
                    stolen,
                    fit,
                    validate,
                    TrainParams.model_validate(ATTACK),
                    seed=subset,
                    device=torch.device("cpu"),
                    checkpoint=Path(folder) / "checkpoint",
                    reporter=Silent(),
                    label="",
                )
            after = answers(stolen, measures, classes)
            cells.append(Cell(method=method, share=share, before=before, after=after))
    return Outcome(
        teacher=name,
        subset=subset,
        classes=tuple(LABELS[label] for label in classes),
        whole=answers(measures.model, measures, classes),
        cells=tuple(cells),
        machine=Machine.here(torch.get_num_threads()).line,
    )


def public(measures: Measures, method: str, classes: Sequence[int], share: float, seed: int) -> Slice:
    """What is not withheld: of every layer, the classifier included, the share of the largest falls."""
    rng = np.random.default_rng(seed)
    masks, weights = {}, measures.weights
    for name, found in measures.contributions["nnslicer"].items():
        sizes = np.abs(weights[name]).reshape(-1)
        match method:
            case "magnitude":
                uses = np.zeros(sizes.size)
            case "random":
                uses, sizes = np.zeros(sizes.size), rng.random(sizes.size)
            case _:
                known = measures.contributions[method][name] if method != "nnslicer" else found
                uses = known[list(classes)].sum(0, dtype=np.int64).reshape(-1)
        masks[name] = ~above_smallest(uses, sizes, 1 - share).reshape(found.shape[1:])
    return Slice(masks, method)


@torch.inference_mode()
def answers(model: Model, measures: Measures, classes: Sequence[int]) -> Answers:
    """Accuracy of a model of all ten classes."""
    model.module.eval()
    told = model.forward({"pixel_values": measures.tests.flatten(0, 1)}).argmax(1).reshape(-1, TESTED)
    right = (told == torch.arange(len(told))[:, None]).sum(1)
    return Answers(
        target=Rate(hits=int(right[list(classes)].sum()), total=len(classes) * TESTED),
        all=Rate(hits=int(right.sum()), total=len(right) * TESTED),
    )
