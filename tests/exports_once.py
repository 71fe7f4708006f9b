"""The same network is exported to ONNX once in a test run: a run of hubslice begins with that, and it takes seconds.

What `export_onnx` wrote is copied where the same module, with the same weights and settings, is to be exported again.
Tests of the export call the function itself, which they import before it is wrapped.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hubslice.core.artefact import DRAFT
from hubslice.graph import deployable, export
from hubslice.tracing import traceable

USERS = (export, deployable, traceable)
_export, _torch_export = export.export_onnx, torch.onnx.export


def wrap() -> None:
    """Wrap the function for all who have it from the module; what was imported by name elsewhere stays."""
    for module in USERS:
        module.export_onnx = exported_once  # type: ignore[attr-defined]


def exported_once(module: nn.Module, inputs: Mapping[str, torch.Tensor], path: Path) -> None:
    """As `export_onnx`."""
    if torch.onnx.export is not _torch_export or any(tensor.is_cuda for tensor in inputs.values()):
        return _export(module, inputs, path)  # a test that has the export fail, say
    kept = _folder() / f"{_key(module, inputs)}.onnx"
    if kept.exists():
        draft = path.with_name(f".{path.name}{DRAFT}")
        shutil.copyfile(kept, draft)
        draft.replace(path)
        return None
    _export(module, inputs, path)
    if not list(path.parent.glob(f"{path.name}.data*")):
        draft = kept.with_suffix(f".{os.getpid()}")
        shutil.copyfile(path, draft)
        draft.replace(kept)
    return None


def _folder() -> Path:
    """One for all processes of a test run: the conftest of all makes it."""
    return Path(os.environ["HUBSLICE_TESTS_EXPORTS"])


def _key(module: nn.Module, inputs: Mapping[str, torch.Tensor]) -> str:
    """All that decides what is written: code, weights, and every plain setting of every part."""
    found = hashlib.sha256(repr((type(module), module, getattr(module, "config", None))).encode())
    for name, part in module.named_modules():
        plain = {key: value for key, value in vars(part).items() if _plain(value)}
        found.update(repr((name, type(part).__qualname__, sorted(plain.items()))).encode())
        code = getattr(type(part).forward, "__code__", None)  # a test may have put its own in the library's place
        found.update(b"" if code is None else code.co_code + repr((code.co_names, code.co_filename)).encode())
    tensors = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    shared: dict[int, int] = {}  # by name of a tensor that has several, the first one's number
    for number, (name, tensor) in enumerate([*tensors, *inputs.items()]):
        found.update(str(shared.setdefault(id(tensor), number)).encode())
        found.update(repr((name, tensor.dtype, tuple(tensor.shape))).encode())
        found.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(_plain(each) for each in value)
    return value is None or isinstance(value, int | float | str | bool)
