"""Knowledge distillation: train on another model's outputs instead of labels (Hinton et al., arXiv 1503.02531)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from hubslice.modality.modality import Encoded
from hubslice.models.base import Model

TEMPERATURE = 4.0  # softens outputs, so that unlikely classes carry information too


def answers(model: Model, encoded: Encoded) -> Tensor:
    """Return the logits [N, classes] of a model that is not trained."""
    with torch.no_grad():
        return model.answer(encoded)


def distillation_loss(logits: Tensor, wanted: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Return the Kullback-Leibler divergence of softened outputs, mean over the batch.

    Multiplied by the squared temperature, so that gradients are as large as those of labels.
    """
    one, two = (functional.log_softmax(each.float() / temperature, dim=1) for each in (logits, wanted))
    return functional.kl_div(one, two, reduction="batchmean", log_target=True) * temperature**2
