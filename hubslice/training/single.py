"""Whether a model can be trained on batches of one sample: batch normalisation needs more than one value a channel."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from hubslice.core.errors import RecipeError
from hubslice.models.base import Model
from hubslice.recipe.schema import TrainParams
from hubslice.training.batches import EpochBatches

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
TOO_FEW = "more than 1 value per channel"  # torch's message, whatever the layer that calls the function


def check_batches(model: Model, params: TrainParams, batches: EpochBatches) -> None:
    """Check that every batch of the training can be computed; the model is not changed.

    Raises:
        RecipeError: there are batches of one sample, and the model normalises over a batch of one value each.
    """
    if batches.least > 1 or params.part == "classifier" or params.epochs == 0:
        return
    where = refuses_one(model)
    if where is None:
        return
    if batches.world > 1:
        cause = f"of {batches.world} processes one gets a single sample in a training step"
        hint = f"set train.batch_size to {2 * batches.world} or more, or start fewer processes"
    elif params.batch_size == 1:
        cause, hint = "train.batch_size is 1: a training step has a single sample", "set train.batch_size to 2 or more"
    else:
        cause, hint = "there is a single training sample, so that a batch has no other", "give more training samples"
    raise RecipeError(
        f"{cause}, and batch normalisation ({where}) sees one value of each channel, which has no variance",
        hint=f"{hint}, or train.part=classifier, which leaves running statistics as they are",
    )


def refuses_one(model: Model) -> str | None:
    """The layer that cannot normalise a batch of one sample in training mode; None where all can."""
    stock = model.module
    seen = ""

    def note(name: str) -> Any:
        def entered(*_: object) -> None:
            nonlocal seen
            seen = name

        return entered

    try:
        model.module = copy.deepcopy(stock).train()
        for name, module in model.module.named_modules():
            if isinstance(module, NORMS):
                module.register_forward_pre_hook(note(name))
        device = next(iter(stock.parameters()), torch.empty(0)).device
        inputs = {name: tensor.to(device) for name, tensor in model.example_inputs(1, seed=0).items()}
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            model.forward(inputs)
    except ValueError as error:
        if TOO_FEW not in str(error):
            raise
        return seen or type(stock).__name__
    finally:
        model.module = stock
    return None
