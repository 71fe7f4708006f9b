"""Store attacked images so that a killed audit resumes where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor

from hubslice.core.artefact import write_atomically


class Checkpoints:
    """Batches of attacked images in a scratch folder, each under a hash of everything that determines it.

    Any difference (settings, seed, network, images, kind of device) gives another file name, so what is read back is
    what would be computed. Without a folder nothing is stored. The folder may be deleted at any time.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def attacked(self, about: Mapping[str, Any], make: Callable[[], Tensor]) -> Tensor:
        """Return the images described by `about` (plain data), uint8 [N, 3, H, W]: read back, or made and stored."""
        if self._folder is None:
            return make()
        key = sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
        path = self._folder / f"{key}.safetensors"
        kept = _read(path)
        if kept is not None:
            return kept
        made = make()
        write_atomically(path, to_safetensors({"attacked": made.contiguous()}))
        return made


def _read(path: Path) -> Tensor | None:
    try:
        with safe_open(path, framework="pt") as file:
            tensor = file.get_tensor("attacked")
    except (OSError, SafetensorError):
        return None  # missing, or damaged because the disk was full: make it again
    return tensor if isinstance(tensor, Tensor) and tensor.dtype == torch.uint8 else None
