"""One subset: masks by every method and ratio, accuracy on the subset's classes before and after an epoch."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hubslice.artefacts.slice import Slice
from hubslice.core.artefact import Artefact
from hubslice.core.progress import Silent
from hubslice.core.rate import Rate
from hubslice.recipe.schema import TrainParams
from hubslice.recipe.slicing import RemosParams
from hubslice.slicing.candidates import Candidate, candidates
from hubslice.slicing.nnslicer import above_smallest
from hubslice.slicing.remos import remos
from hubslice.training.hold import hold
from hubslice.training.initial import mask_weights, start_classifier
from hubslice.training.loop import finetune

from ..machine import Machine
from ..reuse.data import LABELS
from .measures import TESTED, Measures, fashion
from .subsets import BARE_RATIOS, METHODS, RATIOS, TRAINED_RATIOS, subsets

LAYERS = ("conv", "depthwise", "linear")
TRAINING, VALIDATION = 1000, 100  # images of all classes of a subset together
EPOCH = {"epochs": 1, "batch_size": 32, "lr": 0.01, "augment": "flip", "label_smoothing": 0.0, "precision": "fp32"}


class Cell(Artefact):
    """A method at a ratio: accuracy on the subset's test images, answers restricted to its classes."""

    method: str
    ratio: float
    compensated: bool
    trained: bool
    accuracy: Rate


class Outcome(Artefact):
    """A subset's cells, and the accuracy of the teacher as it is under the same restriction."""

    teacher: str
    subset: int
    classes: tuple[str, ...]
    whole: Rate
    cells: tuple[Cell, ...]
    machines: tuple[str, ...]


def complete(outcome: Outcome) -> bool:
    """Whether it has all methods."""
    return {cell.method for cell in outcome.cells} >= set(METHODS)


def solve(name: str, measures: Measures, subset: int, known: Outcome | None) -> Outcome:
    """All cells of a subset without training; methods that `known` has are not run again."""
    classes = subsets()[subset]
    base = copy.deepcopy(measures.model.module.state_dict())
    cells = list(known.cells) if known else []
    there = {cell.method for cell in cells}
    for ratio in RATIOS:
        for method in (method for method in METHODS if method not in there):
            made = mask(measures, method, classes, ratio, subset)
            for compensated in (True, False) if ratio in BARE_RATIOS else (True,):
                _cut(measures, made, classes, compensated)
                cells.append(
                    Cell(
                        method=method,
                        ratio=ratio,
                        compensated=compensated,
                        trained=False,
                        accuracy=accuracy(measures, measures.tests, classes),
                    )
                )
                measures.model.module.load_state_dict(base)
    return _outcome(name, measures, subset, cells, known)


def solve_trained(name: str, measures: Measures, subset: int, known: Outcome | None, images: Path) -> Outcome:
    """The subset's cells after an epoch, in which weights that fell stay at zero; all with the means of what fell."""
    classes = subsets()[subset]
    labels = tuple(LABELS[label] for label in classes)
    base = copy.deepcopy(measures.model.module.state_dict())
    train, _ = fashion(images)
    own = train.at(np.flatnonzero(np.isin(train.targets, classes)))
    own = own.at(np.arange(len(own))[-TRAINING - VALIDATION :])  # none that was traced: those are the first
    own = type(own)(own.table, own.rows, np.searchsorted(classes, own.targets))
    fit, validate = own.at(np.arange(TRAINING)), own.at(np.arange(TRAINING, len(own)))
    cells = list(known.cells) if known else []
    there = {cell.method for cell in cells}
    for ratio in TRAINED_RATIOS:
        for method in (method for method in METHODS if method not in there):
            made = mask(measures, method, classes, ratio, subset)
            _cut(measures, made, classes, True)
            student = copy.deepcopy(measures.model)
            measures.model.module.load_state_dict(base)
            start_classifier(student, labels, 0, [(label,) for label in labels])
            with tempfile.TemporaryDirectory() as folder, hold(student.module, made):
                finetune(
                    student,
                    fit,
                    validate,
                    TrainParams.model_validate(EPOCH),
                    seed=subset,
                    device=torch.device("cpu"),
                    checkpoint=Path(folder) / "checkpoint",
                    reporter=Silent(),
                    label="",
                )
            student.module.eval()
            with torch.inference_mode():
                answers = student.forward({"pixel_values": measures.tests[list(classes)].flatten(0, 1)}).argmax(1)
            found = _rate(answers, len(classes))
            cells.append(Cell(method=method, ratio=ratio, compensated=True, trained=True, accuracy=found))
    return _outcome(name, measures, subset, cells, known)


def _outcome(name: str, measures: Measures, subset: int, cells: Sequence[Cell], known: Outcome | None) -> Outcome:
    classes = subsets()[subset]
    here = Machine.here(torch.get_num_threads()).line
    return Outcome(
        teacher=name,
        subset=subset,
        classes=tuple(LABELS[label] for label in classes),
        whole=accuracy(measures, measures.tests, classes),
        cells=tuple(cells),
        machines=tuple(dict.fromkeys([*(known.machines if known else ()), here])),
    )


def mask(measures: Measures, method: str, classes: Sequence[int], ratio: float, seed: int) -> Slice:
    """The relevant weights: of every layer the fraction `ratio` falls, by whatever method."""
    weights = measures.weights
    chosen = candidates(weights, measures.neurons, LAYERS, measures.model.classifier_parameters())
    rng = np.random.default_rng(seed)
    profile = measures.profile(classes) if method == "remos" else None

    def relevant(candidate: Candidate) -> np.ndarray:
        sizes = np.abs(candidate.weight).reshape(-1)
        match method:
            case "remos":
                assert profile is not None
                return remos([candidate], profile, RemosParams(ratio=ratio), 0)
            case "magnitude":
                return above_smallest(np.zeros(sizes.size), sizes, ratio)
            case "channel":  # as the authors have it: the sum of magnitudes of an output channel
                sums = np.abs(candidate.weight).sum(axis=(0, 2))
                keep = above_smallest(np.zeros(sums.size), sums, ratio)
                return np.broadcast_to(keep[None, :, None], candidate.weight.shape).reshape(-1)
            case "seam":
                scores = measures.gradients[candidate.name][list(classes)].sum(0)
                return above_smallest(candidate.ordered(scores).reshape(-1), sizes, ratio)
            case "random":
                return above_smallest(np.zeros(sizes.size), rng.random(sizes.size), ratio)
            case _:
                uses = measures.contributions[method][candidate.name][list(classes)].sum(0, dtype=np.int64)
                return above_smallest(candidate.ordered(uses).reshape(-1), sizes, ratio)

    return Slice({candidate.name: candidate.mask(relevant(candidate)) for candidate in chosen}, method)


def _cut(measures: Measures, made: Slice, classes: Sequence[int], compensated: bool) -> None:
    if compensated:
        measures.compensation(classes).apply(measures.model, made)
    mask_weights(measures.model, made)


@torch.inference_mode()
def accuracy(measures: Measures, tests: Tensor, classes: Sequence[int]) -> Rate:
    """Of the classes' test images, how many get the right one of these classes."""
    measures.model.module.eval()
    logits = measures.model.forward({"pixel_values": tests[list(classes)].flatten(0, 1)})
    return _rate(logits[:, list(classes)].argmax(1), len(classes))


def _rate(answers: Tensor, classes: int) -> Rate:
    right = torch.arange(classes).repeat_interleave(TESTED)
    return Rate(hits=int((answers == right).sum()), total=len(right))
