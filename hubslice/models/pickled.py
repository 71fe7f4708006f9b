"""Convert pickled weights to safetensors without running code from the pickle.

A pickle is a program. `torch.load(weights_only=True)` interprets only the operations that build tensors and plain
containers, and stops at anything else. This module does not go beyond that.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save, save_file
from torch import Tensor

from hubslice.core.artefact import whole_file
from hubslice.core.errors import ModelError
from hubslice.files.names import WEIGHTS
from hubslice.files.tensor_header import parse_header
from hubslice.files.tensor_writing import sort_header

# Keys under which training scripts store the weights beside other state; the first one present is used.
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network")
PREFIXES = ("module.", "_orig_mod.")  # prefixes that DataParallel and torch.compile add to all names
LARGEST_GROWTH = 4  # each tied tensor is written out in full; larger growth is refused


def convert(pickles: Sequence[Path], target: Path) -> Path:
    """Write the weights of the pickles, which together form one model, to `target`/model.safetensors, atomically.

    Raises:
        ModelError: a pickle needs more than tensors and plain containers, or contains no weights.
    """
    tensors = _read({path.name: path for path in pickles}, "cpu")
    place = target / WEIGHTS
    with whole_file(place) as draft:
        # Each tensor gets its own contiguous memory: safetensors supports neither views nor tied tensors.
        save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, draft, {"format": "pt"})
        sort_header(draft)
    return place


def outline(pickles: Mapping[str, Path]) -> dict[str, tuple[str, tuple[int, ...], int]]:
    """Return dtype in safetensors' notation, shape and bytes of each tensor of the pickles, without reading values.

    `pickles` maps names for messages to files.

    Raises:
        ModelError: what `convert` would raise.
    """

    @cache
    def word(dtype: torch.dtype) -> str:
        return parse_header(save({"": torch.empty(0, dtype=dtype)})).tensors[""].dtype

    return {
        name: (word(tensor.dtype), tuple(tensor.shape), tensor.numel() * tensor.element_size())
        for name, tensor in _read(pickles, "meta").items()
    }


def _read(pickles: Mapping[str, Path], device: str) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for name, path in pickles.items():
        tensors |= _tensors(path, name, device)
    _check_growth(tensors, pickles)
    return tensors


def _tensors(path: Path, called: str, device: str) -> dict[str, Tensor]:
    content = _load(path, called, device)
    inner = (content.get(key) for key in WRAPPERS)
    state = next((value for value in inner if isinstance(value, Mapping)), content)
    strange = {str(name): type(value).__name__ for name, value in state.items() if not isinstance(value, Tensor)}
    if strange or not state:
        shown = ", ".join(f"{name} ({kind})" for name, kind in list(strange.items())[:3]) or "nothing"
        raise ModelError(f"{called} is not a file of weights: beside tensors it holds {shown}", hint=_HINT)
    found = {str(name): tensor.detach() for name, tensor in state.items()}
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in found):
            found = {name.removeprefix(prefix): tensor for name, tensor in found.items()}
    for name, tensor in found.items():
        special = tensor.is_quantized or tensor.is_complex() or tensor.device.type != device
        if special or tensor.layout != torch.strided:
            about = f"{tensor.layout}, {tensor.dtype}, {tensor.device}"
            raise ModelError(f"{called}: {name} is not a plain tensor of numbers but {about}", hint=_HINT)
    return found


_HINT = "choose another revision with safetensors, or have the author save the state dict alone"


def _load(path: Path, called: str, device: str) -> Mapping[Any, Any]:
    try:
        _check_archive(path, called)
        content = torch.load(path, weights_only=True, map_location=device)
    except ModelError:
        raise
    except Exception as error:  # damaged pickles may raise anything
        # Torch's own message recommends loading without its protection; the reason is in its context.
        reason = _first_sentence(error.__context__ or error)
        wanted = re.search(r"GLOBAL ([\w.]+)", str(error))
        if wanted is None:
            message = f"{called} is damaged or not made by torch.save: {reason}"
        else:
            message = (
                f"{called} is a pickle that needs more than tensors and plain containers: it asks for "
                f"{wanted[1].rstrip('.')}, which would run code, so it was not loaded"
            )
        raise ModelError(message, hint=_HINT) from error
    if not isinstance(content, Mapping):
        raise ModelError(f"{called} is not a file of weights but a {type(content).__name__}", hint=_HINT)
    return content


def _check_archive(path: Path, called: str) -> None:
    """Refuse an archive that unpacks to more than its own size; torch.save does not compress."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        held = sum(entry.file_size for entry in archive.infolist())
    if held > path.stat().st_size:
        raise ModelError(f"{called} would unpack to {held} bytes; torch.save compresses nothing", hint=_HINT)


def _check_growth(tensors: Mapping[str, Tensor], pickles: Mapping[str, Path]) -> None:
    needed = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    size = sum(path.stat().st_size for path in pickles.values())
    if needed > LARGEST_GROWTH * size:
        raise ModelError(f"{next(iter(pickles))} of {size} bytes describes tensors of {needed} bytes", hint=_HINT)


def _first_sentence(error: BaseException) -> str:
    text = " ".join(str(error).split()).partition(". ")[0]
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
