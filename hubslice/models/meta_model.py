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
from hubslice.models.folder import read_config
from hubslice.models.weights import Shapes, on_meta


def meta_model(folder: Path, shapes: Shapes | Budget, *, input_size: int | None = None, where: str) -> Model:
    """The model of the folder's config.json with tensors of these shapes, on the meta device; it cannot compute.

    Where the shapes are not known, a budget is what its weights can hold at most. `where` is what messages call it.

    Raises:
        ModelError: what `load_model` would raise: no such architecture, tensors missing, unexpected or misshapen.
    """
    try:
        config, library = read_config(folder)
        with trouble_with(folder, library.name):
            adapter = library.adapter()
            if not isinstance(shapes, Budget):
                return adapter.load(folder, config, input_size, shapes, on_meta(shapes))
            with torch.device("meta"):
                return adapter.random(folder, config, input_size, shapes)
    except ModelError as error:
        raise ModelError(
            error.headline.replace(str(folder), where),
            [detail.replace(str(folder), where) for detail in error.details],
            hint=error.hint,
        ) from error
