"""Magnitude pruning of a model without a task."""

from __future__ import annotations

import numpy as np
from torch import nn

from hubslice.artefacts.slice import Slice
from hubslice.core.errors import SliceError
from hubslice.models.base import Model
from hubslice.slicing.ranking import above_lowest

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


def magnitude_slice(model: Model, sparsity: float) -> Slice:
    """Return a slice without the share `sparsity` of the smallest weights of all convolutions and linear layers.

    All are ranked together. The classifier, biases and normalisation are kept.

    Raises:
        SliceError: there is no such layer.
    """
    own = model.classifier_parameters()
    layers = {f"{name}.weight" for name, module in model.module.named_modules() if isinstance(module, LAYERS)} - own
    weights = {
        name: np.abs(parameter.detach().cpu().numpy())
        for name, parameter in model.module.named_parameters()
        if name in layers
    }
    if not weights:
        raise SliceError(
            f"{model.architecture} has no convolution or linear layer but its classifier",
            hint="use --to int8 or --to fp16",
        )
    kept = above_lowest(np.concatenate([weight.reshape(-1) for weight in weights.values()]), sparsity)
    ends = np.cumsum([weight.size for weight in weights.values()])[:-1]
    parts = zip(weights.items(), np.split(kept, ends), strict=True)
    return Slice({name: part.reshape(weight.shape) for (name, weight), part in parts}, "magnitude")
