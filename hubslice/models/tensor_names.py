"""Tensors of a model's files by timm's own names: shards are put together, transformers' wrapper is removed.

transformers saves a timm model inside its TimmWrapper, under other names; timm reads one file only.
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
    """Whether a config.json is that of a timm model which transformers saved."""
    return config.get("model_type") == WRAPPER


def as_timm(config: Mapping[str, Any], named: Mapping[str, T]) -> dict[str, T]:
    """What is `named` by the tensors of the files, by timm's own names."""
    return {name.removeprefix(_PREFIX) if is_wrapped(config) else name: value for name, value in named.items()}


def plain_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """A timm model's config.json as timm writes it; of what transformers wrapped, without what timm cannot read.

    TimmWrapperModel keeps the number of classes of a classifier that it does not have. Without the part about the
    weights, that of the architecture holds.
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
    """The folder's tensors by timm's names; None where timm itself reads them from the file.

    Raises:
        ModelError: the folder has no safetensors weights.
    """
    if (folder / WEIGHTS).is_file() and not is_wrapped(config):
        return None
    return as_timm(config, read_tensors(folder))
