"""Learning from another model's answers instead of labels (Hinton et al., arXiv 1503.02531)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from hubslice.modality.modality import Encoded
from hubslice.models.base import Model

TEMPERATURE = 4.0  # softens answers, so that what is unlikely is told, too


def answers(model: Model, encoded: Encoded) -> Tensor:
    """Logits [N, classes] of a model that does not learn."""
    with torch.no_grad():
        return model.answer(encoded)


def distillation_loss(logits: Tensor, wanted: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Kullback-Leibler divergence of softened answers, mean over the batch.

    Times the squared temperature, so that gradients are as large as those of labels.
    """
    one, two = (functional.log_softmax(each.float() / temperature, dim=1) for each in (logits, wanted))
    return functional.kl_div(one, two, reduction="batchmean", log_target=True) * temperature**2
