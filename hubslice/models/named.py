"""Tensors as a network names them, whatever their file or another head of the same architecture calls them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from hubslice.models.base import Model
from hubslice.models.building import trouble_with


def named_as(model: Model, tensors: Mapping[str, Tensor], source: Path) -> dict[str, Tensor]:
    """Those of the tensors that the model's stock class takes, float32, by its names; of timm models as they are.

    transformers renames on loading, puts a base model under its prefix, and draws what is missing or of another shape:
    that is left out. `source` is where the tensors come from.

    Raises:
        ModelError: transformers cannot take them.
    """
    if model.library == "timm":
        return dict(tensors)
    stock = type(model.module)
    with torch.random.fork_rng(devices=()), trouble_with(source, model.library):
        module, told = stock.from_pretrained(  # type: ignore[attr-defined]
            None,
            config=model.module.config,
            state_dict=dict(tensors),
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            dtype=torch.float32,
            use_kernels=False,
        )
    drawn = {*told["missing_keys"], *(name for name, *_ in told["mismatched_keys"])}
    return {name: tensor for name, tensor in module.state_dict().items() if name not in drawn}
