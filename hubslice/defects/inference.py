"""Run models in an audit: on a device, frozen, identified by their content."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

import numpy as np
import torch
from torch import Tensor

from hubslice.core.batching import Batches
from hubslice.models.base import Model


@contextmanager
def placed(model: Model, device: torch.device) -> Iterator[Model]:
    """Put the model on `device`, in evaluation mode and without parameter gradients; restore it afterwards.

    Convolutions run in the channels-last layout, which is faster on CPUs and GPUs alike.
    """
    modules = [(module, module.training) for module in model.module.modules()]
    parameters = [(parameter, parameter.requires_grad) for parameter in model.module.parameters()]
    home = parameters[0][0].device if parameters else torch.device("cpu")
    model.module.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)
    try:
        yield model
    finally:
        model.module.to(memory_format=torch.contiguous_format).to(home)
        for module, training in modules:
            module.training = training
        for parameter, requires_grad in parameters:
            parameter.requires_grad_(requires_grad)


def as_floats(pixels: Tensor) -> Tensor:
    """Convert images uint8 [N, 3, H, W] to float32 in [0, 1], channels last, on the same device."""
    return (pixels.float() / 255).contiguous(memory_format=torch.channels_last)


def predictions(model: Model, pixels: Tensor, *, batch_size: int, device: torch.device) -> np.ndarray:
    """Return the most likely class of each image: int64 [n] for uint8 [n, C, H, W], computed in float32.

    A batch that does not fit into memory is halved.
    """

    def classes(start: int, stop: int) -> Tensor:
        return model.logits(as_floats(pixels[start:stop].to(device))).argmax(1).cpu()

    with placed(model, device), torch.inference_mode():
        found = list(Batches(batch_size).over(0, len(pixels), classes))
    return np.asarray(torch.cat(found).numpy())


def fingerprint(model: Model) -> str:
    """Return the hex sha256 of everything the model computes with: architecture, preprocessing, all tensors by name."""
    digest = sha256(f"{model.architecture}\n{model.preprocessing!r}\n".encode())
    for name, tensor in sorted(model.module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor_bytes(tensor))
    return digest.hexdigest()


def tensor_bytes(tensor: Tensor) -> bytes:
    """Return the tensor's values in row-major order, whatever its device and layout."""
    flat = tensor.detach().cpu().contiguous().flatten()
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
