"""Choose the device that work runs on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hubslice.core.errors import InputError, ProviderError
from hubslice.core.processes import local_rank

if TYPE_CHECKING:
    import torch


def resolve_device(name: str) -> torch.device:
    """Return the device named `auto` (CUDA if available, else the CPU), `cpu`, `cuda` or `cuda:N`.

    Raises:
        InputError: the name is not a valid device name.
        ProviderError: this machine has no such CUDA device.
    """
    import torch

    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise InputError(f"{name!r} is not a device", hint="use --device auto, cpu, cuda or cuda:N")
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    index = int(name.partition(":")[2] or local_rank())
    if not torch.cuda.is_available() or index >= torch.cuda.device_count():
        raise ProviderError(
            f"{name} was asked for, PyTorch sees {torch.cuda.device_count()} CUDA devices",
            hint="`hubslice doctor` shows what is wrong; --device cpu works everywhere",
        )
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def exact_arithmetic(device: str) -> torch.autocast:
    """Disable half precision and TF32, which would change predictions near a decision boundary.

    Results then agree with those of the CPU.
    """
    import torch

    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    return torch.autocast(device.partition(":")[0], enabled=False)
