"""Map tensors of a model's files to timm's names: merge shards, remove transformers' wrapper.

transformers saves a timm model inside its TimmWrapper, under different names; timm reads only a single file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import timm
from torch import Tensor

from hubslice.files.names import WEIGHTS
from hubslice.models.weights import read_tensors

T = TypeVar("T")

WRAPPER = "timm_wrapper"  # a model type of transformers
_PREFIX = "timm_model."


def is_wrapped(config: Mapping[str, Any]) -> bool:
    """Return whether a config.json is that of a timm model saved by transformers."""
    return config.get("model_type") == WRAPPER


def as_timm(config: Mapping[str, Any], named: Mapping[str, T]) -> dict[str, T]:
    """Rename the keys of `named` from the files' tensor names to timm's."""
    return {name.removeprefix(_PREFIX) if is_wrapped(config) else name: value for name, value in named.items()}


def plain_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a timm model's config.json as timm writes it, without entries of transformers' wrapper that timm rejects.

    TimmWrapperModel keeps the number of classes of a classifier that it does not have. Without the section on the
    weights, timm uses the architecture's defaults.
    """
    if not is_wrapped(config):
        return dict(config)
    said = {name: value for name, value in config.items() if value is not None}
    if "TimmWrapperModel" in said.get("architectures", ()):
        said |= {"num_classes": 0, "label_names": []}
    if "pretrained_cfg" not in said:
        known = timm.models.get_pretrained_cfg(str(said.get("architecture")))
        said["pretrained_cfg"] = known.to_dict(remove_source=True) if known else {}
    return said


def read_for_timm(folder: Path, config: Mapping[str, Any]) -> dict[str, Tensor] | None:
    """Return the folder's tensors by timm's names; None if timm can read the file itself.

    Raises:
        ModelError: the folder has no safetensors weights.
    """
    if (folder / WEIGHTS).is_file() and not is_wrapped(config):
        return None
    return as_timm(config, read_tensors(folder))
