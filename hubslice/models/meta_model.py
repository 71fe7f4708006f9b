"""Build a model on the meta device from its config and the names and shapes of its weights.

Neither weights nor an oversized config use memory, and the checks are those of the loader.
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
    """Return the model of the folder's config.json with tensors of these shapes, on the meta device.

    The model cannot compute. If the shapes are unknown, pass the budget that its weights can contain at most. `where`
    is the name used in messages.

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
