"""Convert by training on the model's outputs: pruning the model, or distilling it into a smaller one."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from pydantic import ValidationError

from hubslice.artefacts.slice import Slice
from hubslice.core.device import resolve_device
from hubslice.core.errors import InputError, ModelError, ParityError
from hubslice.core.paths import as_text
from hubslice.core.progress import stage
from hubslice.files.names import WEIGHTS
from hubslice.hub.pull import fetch
from hubslice.hub.ref import parse_ref
from hubslice.models.base import Model
from hubslice.models.folder import load_model
from hubslice.models.from_architecture import create_model
from hubslice.recipe.problems import shown
from hubslice.recipe.schema import Grid, TeacherParams
from hubslice.slicing.pruning import magnitude_slice
from hubslice.task.task import Split
from hubslice.training.hold import hold
from hubslice.training.initial import mask_weights, start_classifier
from hubslice.training.loop import finetune
from hubslice.training.predict import predict
from hubslice.verbs.convert.agreement import Agreement
from hubslice.verbs.convert.params import ConvertParams
from hubslice.verbs.convert.targets.images import parts_of
from hubslice.verbs.convert.targets.job import Job, Made

CHECKPOINT = "training.safetensors"
DISTILLED = 10  # epochs
GENTLE, BRISK = 0.01, 0.05  # learning rates of trained weights, and of random ones


@dataclass(frozen=True)
class Pupil:
    """The model to train, with epochs and learning rate; weights of a pruned one outside `kept` stay zero."""

    model: Model
    epochs: int
    rate: float
    kept: Slice | None = None


def pruned_form(job: Job) -> Made:
    """Write the model without its smallest weights, trained to predict as before if `epochs` are given.

    Raises:
        InputError: there are no images.
        ModelError: the model has no classifier.
        ParityError: its predictions differ too often.
    """
    job.model.check_answers()
    with stage(job.reporter, "prune", "Set the smallest weights to zero"):
        pupil = load_model(fetch(job.ref, reporter=job.reporter).folder)
        kept = magnitude_slice(pupil, job.options.sparsity)
        mask_weights(pupil, kept)
    return _taught(job, Pupil(pupil, job.options.epochs or 0, job.options.lr or GENTLE, kept))


def distilled_form(job: Job) -> Made:
    """Write the model `into`, trained on the model's outputs, from random weights or its own if it has some.

    Raises:
        InputError: there are no images.
        ModelError: there is no such architecture or model, it takes images with other channels, or the model has no
            classifier.
        ParityError: its predictions differ too often.
    """
    options, into = job.options, as_text(job.options.into)
    assert into is not None
    job.model.check_answers()
    side = job.model.image_preprocessing.input_size[1]
    given = "/" in into or Path(into).exists()
    if given:
        pupil = load_model(fetch(parse_ref(into, Path.cwd()), reporter=job.reporter).folder, input_size=side)
    else:
        pupil = create_model(_architecture(options, side), options.seed)
    channels, taken = (model.image_preprocessing.input_size[0] for model in (job.model, pupil))
    if channels != taken:
        raise ModelError(
            f"{into} takes images of {taken} channels, {job.ref} of {channels}: one cannot teach the other",
            hint="name the folder or Hub id of a model for such images with --into",
        )
    start_classifier(pupil, job.model.labels, options.seed)
    epochs = DISTILLED if options.epochs is None else options.epochs
    return _taught(job, Pupil(pupil, epochs, options.lr or (GENTLE if given else BRISK)))


def _architecture(options: ConvertParams, side: int) -> TeacherParams:
    arguments = options.arguments or {}
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in arguments.items()}
    values = {"model": options.into, "weights": "random", "arguments": given, "input_size": side}
    try:
        return TeacherParams.model_validate(values)
    except ValidationError as error:
        name = error.errors()[0]["loc"][1]
        raise InputError(
            f"--argument {name} is neither a number, a word, nor a list of them, but {shown(given.get(str(name)))}",
            hint="give the architecture's own arguments, such as --argument widths=[16,32]",
        ) from error


def _taught(job: Job, pupil: Pupil) -> Made:
    """Train the pupil, check it on unseen images, and write it."""
    options, device = job.options, resolve_device(job.options.device)
    with stage(job.reporter, "images", "Read images to teach and to check with"):
        parts = parts_of(job.ref, job.model, as_text(options.data), options.seed)
    pupil.model.show_transparent(parts.train.table.params.transparency)  # as in its training images
    if pupil.epochs:
        with stage(job.reporter, "answers", "Ask the model for its answers"):
            wanted = _logits(job.model, parts.validation, device).argmax(1).numpy()
        settings = {"epochs": pupil.epochs, "lr": pupil.rate, "head_lr_factor": 1.0, "part": "all", "grid": Grid()}
        held = nullcontext() if pupil.kept is None else hold(pupil.model.module, pupil.kept)
        with stage(job.reporter, "train", "Learn the answers"), held:
            finetune(
                pupil.model,
                parts.train,
                replace(parts.validation, targets=wanted),
                parts.settings.model_copy(update=settings),
                seed=options.seed,
                device=device,
                checkpoint=job.unfinished / CHECKPOINT,
                reporter=job.reporter,
                label="Learn the answers",
                follow=job.model,
            )
    with stage(job.reporter, "compare", "Compare answers before and after"):
        before, after = (_logits(model, parts.check, device).numpy() for model in (job.model, pupil.model))
    told = Agreement.between(before, after, "images")
    if (told.agreement.value or 0) < options.min_agreement:
        raise ParityError(
            f"it answers as {job.ref} does for only {told.agreement.hits} of {told.agreement.total} images; "
            f"{options.min_agreement:.0%} are wanted",
            hint=f"train longer with --epochs {max(2 * pupil.epochs, 3)}, make less smaller, or allow it with "
            "--min-agreement",
        )
    pupil.model.poisoned = pupil.model.poisoned or job.model.poisoned
    pupil.model.module.cpu()
    pupil.model.save(job.folder)
    count = sum(int(torch.count_nonzero(parameter)) for parameter in pupil.model.module.parameters())
    return Made(count, (job.folder / WEIGHTS).stat().st_size, agreement=told)


def _logits(model: Model, split: Split, device: torch.device) -> torch.Tensor:
    return predict(model, split, device=device)
