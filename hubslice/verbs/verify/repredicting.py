"""Compare a saved model's predictions with stored ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from hubslice.defects.inference import placed as at_work
from hubslice.modality.modality import Encoded, Held, placed
from hubslice.models.base import Model

# Relative to the distance between an image's highest and lowest logit. Another machine, device or batch size rounds
# differently: about 1e-6 on CPUs, up to 1e-3 with TensorFloat-32 on GPUs. A larger difference is not from these
# weights.
NEAR_TIE: Final = 0.005
_BATCH = 64


@dataclass(frozen=True)
class Repredicted:
    """The number of compared predictions, and those that differ: `gaps` by index, as shares of the logits' spread."""

    total: int
    gaps: dict[int, float]

    @property
    def unexplained(self) -> dict[int, float]:
        """The differences that are not near ties."""
        return {number: gap for number, gap in self.gaps.items() if gap > NEAR_TIE}

    @property
    def differences(self) -> list[str]:
        """Describe the differences."""
        if not self.unexplained:
            return []
        shown = ", ".join(f"{at} (by {gap:.0%})" for at, gap in list(self.unexplained.items())[:4])
        number = len(self.unexplained)
        return [
            f"{number} of {self.total} answers are not the stored ones, no near ties of up to {NEAR_TIE:.1%} of the "
            f"logits' spread: image {shown}{' ...' if number > 4 else ''}"
        ]

    @property
    def agreeing(self) -> str:
        """Describe the agreement."""
        same = f"{self.total - len(self.gaps)} of {self.total} answers are the stored ones"
        if not self.gaps:
            return same
        return f"{same}, {len(self.gaps)} are near ties (by at most {max(self.gaps.values()):.2%} of the spread)"


@torch.inference_mode()
def logits(model: Model, encoded: Encoded, device: torch.device) -> Tensor:
    """Return logits float32 [n, classes] on the CPU for n > 0 inputs."""
    samples = Held(encoded)
    with at_work(model, device):
        batches = (samples.encoded(start, start + _BATCH) for start in range(0, len(samples), _BATCH))
        found = [model.answer(placed(batch, device, torch.channels_last)).float().cpu() for batch in batches]
        return torch.cat(found)


def repredict(
    model: Model, encoded: Encoded, stored: np.ndarray, names: np.ndarray, device: torch.device
) -> Repredicted:
    """Run the model on n inputs and compare with the `stored` predictions [n]; `names` [n] are their numbers.

    A differing prediction is measured by its gap: how far the stored class's logit is below the highest one, as a share
    of the distance between the highest and the lowest.
    """
    total = len(Held(encoded))
    if not total:
        return Repredicted(0, {})
    found = logits(model, encoded, device)
    wanted = torch.from_numpy(stored).long()
    if int(wanted.min()) < 0 or int(wanted.max()) >= found.shape[1]:
        return Repredicted(total, {int(names[0]): 1.0})
    highest, lowest = found.max(1).values, found.min(1).values
    gaps = (highest - found.gather(1, wanted[:, None])[:, 0]) / (highest - lowest).clamp_min(1e-12)
    different = torch.nonzero(found.argmax(1) != wanted)[:, 0].tolist()
    return Repredicted(total, {int(names[i]): float(gaps[i]) for i in different})
