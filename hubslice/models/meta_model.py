"""A model without values: what the loader says to a config and the names and shapes of its weights.

Everything stays on torch's meta device, so neither weights nor an absurd config cost memory, and the checks are the
loader's own.
"""

from __future__ import annotations

from pathlib import Path

import torch

from hubslice.core.errors import ModelError
from hubslice.models.base import Model
from hubslice.models.building import Budget, trouble_with
from hubslice.models.folder import library_of, read_config
from hubslice.models.tensor_names import as_timm
from hubslice.models.weights import Shapes


def meta_model(folder: Path, shapes: Shapes | Budget, *, input_size: int | None = None, where: str) -> Model:
    """The model of the folder's config.json with tensors of these shapes, on the meta device; it cannot compute.

    Where the shapes are not known, a budget is what its weights can hold at most. `where` is what messages call it.

    Raises:
        ModelError: what `load_model` would raise: no such architecture, tensors missing, unexpected or misshapen.
    """
    try:
        config = read_config(folder)
        with trouble_with(folder, library_of(config)):
            if "architecture" in config:
                from hubslice.models.timm_adapter import TimmModel

                with torch.device("meta"):
                    if isinstance(shapes, Budget):
                        return TimmModel.random(folder, config, input_size, shapes)
                    held = as_timm(config, shapes)
                    return TimmModel.load(folder, config, input_size, held, _tensors(held))
            from hubslice.models.transformers_adapter import TransformersModel

            if isinstance(shapes, Budget):
                with torch.device("meta"):
                    return TransformersModel.random(folder, config, input_size, shapes)
            return TransformersModel.load(folder, config, input_size, shapes, _tensors(shapes))
    except ModelError as error:
        raise ModelError(
            error.headline.replace(str(folder), where),
            [detail.replace(str(folder), where) for detail in error.details],
            hint=error.hint,
        ) from error


def _tensors(shapes: Shapes) -> dict[str, torch.Tensor]:
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
