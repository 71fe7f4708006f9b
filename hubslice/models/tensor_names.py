"""Tensors of a model's files by timm's own names: shards are put together, transformers' wrapper is removed.

transformers saves a timm model inside its TimmWrapper, under other names; timm reads one file only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors.torch import load_file
from torch import Tensor

from hubslice.artefacts.names import WEIGHTS
from hubslice.models.weights import weight_files

T = TypeVar("T")

WRAPPER = "timm_wrapper"  # a model type of transformers
_PREFIX = "timm_model."


def is_wrapped(config: Mapping[str, Any]) -> bool:
    """Whether a config.json is that of a timm model which transformers saved."""
    return config.get("model_type") == WRAPPER


def as_timm(config: Mapping[str, Any], named: Mapping[str, T]) -> dict[str, T]:
    """What is `named` by the tensors of the files, by timm's own names."""
    return {name.removeprefix(_PREFIX) if is_wrapped(config) else name: value for name, value in named.items()}


def read_for_timm(folder: Path, config: Mapping[str, Any]) -> dict[str, Tensor] | None:
    """The folder's tensors by timm's names; None where timm itself reads them from the file.

    Raises:
        ModelError: the folder has no safetensors weights.
    """
    if (folder / WEIGHTS).is_file() and not is_wrapped(config):
        return None
    found: dict[str, Tensor] = {}
    for name in weight_files(folder):
        found |= load_file(folder / name)
    return as_timm(config, found)
