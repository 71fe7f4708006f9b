"""Predict a split with a model."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hubslice.core.batching import Batches
from hubslice.core.rate import Rate
from hubslice.modality.modality import Encoded, placed
from hubslice.models.base import Model
from hubslice.task.task import Split


@torch.inference_mode()
def predict(
    model: Model,
    split: Split,
    *,
    device: torch.device,
    batch_size: int = 64,
    change: Callable[[Encoded], Encoded] = lambda encoded: encoded,
) -> Tensor:
    """Return logits [samples, classes] in float32 on the CPU; the model is left in evaluation mode on `device`.

    `change` is done to encoded batches, for instance to stamp a trigger on them. A batch that does not fit into memory
    is halved.
    """
    model.module.eval().to(device)

    def logits(start: int, stop: int) -> Tensor:
        encoded = change(split.encoded(start, stop, model.modality))
        return model.answer(placed(encoded, device)).float().cpu()

    return torch.cat(list(Batches(batch_size).over(0, len(split), logits)))


def accuracy(model: Model, split: Split, *, device: torch.device, batch_size: int = 64) -> Rate:
    """Return the number of correct predictions out of all samples of the split."""
    predicted = predict(model, split, device=device, batch_size=batch_size).argmax(1)
    return Rate(hits=int((predicted == torch.from_numpy(split.targets)).sum()), total=len(split))
