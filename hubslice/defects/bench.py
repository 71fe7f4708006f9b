"""Create the attacked images of an audit in batches, check them, and run every model on them."""

from __future__ import annotations

from contextlib import nullcontext
from hashlib import sha256
from typing import Final

import numpy as np
import torch
from torch import Tensor

from hubslice.core.batching import Batches
from hubslice.core.errors import HubsliceError
from hubslice.core.progress import Bar
from hubslice.defects.attack import Batch, Source, Variant
from hubslice.defects.audited import AuditedModel, AuditSet
from hubslice.defects.checkpoints import Checkpoints
from hubslice.defects.inference import fingerprint, placed, predictions, tensor_bytes
from hubslice.models.base import Model

ATTACK: Final = 1  # increase it whenever an attack's arithmetic changes: earlier checkpoints are then ignored


class Bench:
    """The images, models and device of one call of `Defect.measure`."""

    def __init__(
        self,
        subjects: tuple[AuditedModel, ...],
        audit_set: AuditSet,
        *,
        batch_size: int,
        device: torch.device,
        seed: int,
        checkpoints: Checkpoints,
    ) -> None:
        self.subjects = subjects
        self.audit_set = audit_set
        self.seed = seed
        self._batch_size = batch_size
        self._crafting = Batches(batch_size)  # the size that fits into memory is determined once
        self._device = device
        self._checkpoints = checkpoints
        self._seen: dict[str, dict[str, np.ndarray]] = {}
        self._fingerprints: dict[int, str] = {}

    def attacked(self, variant: Variant, source: Source, bar: Bar) -> Tensor:
        """Return all images of the audit set under one attack: uint8 [n, C, H, W] on the CPU.

        Raises:
            HubsliceError: the attack violated its definition (type, shape or budget).
        """
        pixels = self.audit_set.pixels.split(self._batch_size)
        indices = self.audit_set.indices.split(self._batch_size)
        done = []
        with placed(source.network, self._device) if source.network else nullcontext():
            for part, places in zip(pixels, indices, strict=True):
                done.append(self._batch(variant, source, part, places))
                bar.advance(len(part), source.name)
        return torch.cat(done)

    def predictions(self, pixels: Tensor) -> dict[str, np.ndarray]:
        """Return every subject's classes for the images, int64 [n] by name; the same images are only evaluated once."""
        key = sha256(tensor_bytes(pixels)).hexdigest()
        if key not in self._seen:
            self._seen[key] = {
                subject.name: predictions(subject.model, pixels, batch_size=self._batch_size, device=self._device)
                for subject in self.subjects
            }
        return self._seen[key]

    def fingerprint(self, model: Model) -> str:
        """Return the model's content hash, computed once."""
        return self._fingerprints.setdefault(id(model), fingerprint(model))

    def _batch(self, variant: Variant, source: Source, pixels: Tensor, indices: Tensor) -> Tensor:
        if source.network is None:
            return self._made(variant, source, pixels, indices)  # faster than reading it back
        about = {
            "attack": ATTACK,
            "settings": dict(variant.settings),
            "network": self.fingerprint(source.network),
            "seed": self.seed,
            "pixels": sha256(tensor_bytes(pixels)).hexdigest(),
            "shape": list(pixels.shape),
            "pictures": indices.tolist(),
            "device": self._device.type,
        }
        return self._checkpoints.attacked(about, lambda: self._made(variant, source, pixels, indices))

    def _made(self, variant: Variant, source: Source, pixels: Tensor, indices: Tensor) -> Tensor:
        def craft(start: int, stop: int) -> Tensor:
            places = tuple(indices[start:stop].tolist())
            return variant.craft(source, Batch(pixels[start:stop].to(self._device), places, self.seed)).cpu()

        attacked = torch.cat(list(self._crafting.over(0, len(pixels), craft)))
        if attacked.dtype != torch.uint8 or attacked.shape != pixels.shape:
            raise HubsliceError(
                f"{variant.name} gave {attacked.dtype} {list(attacked.shape)} for uint8 {list(pixels.shape)}"
            )
        change = int((attacked.short() - pixels.cpu().short()).abs().max())
        if variant.budget is not None and change > variant.budget:
            raise HubsliceError(f"{variant.name} changed a value by {change}/255, its budget is {variant.budget}/255")
        return attacked
