"""Check hubslice's preprocessing against timm's evaluation transforms."""

from __future__ import annotations

from functools import lru_cache

import torch

from hubslice.artefacts.model import Preprocessing
from hubslice.core.errors import ModelError
from hubslice.core.foreign_errors import first_line
from hubslice.core.machine import out_of_memory
from hubslice.modality.image.compare import difference
from hubslice.modality.image.geometry import CROP_MODES, timm_transform
from hubslice.modality.image.modes import MODES, mode_of
from hubslice.modality.image.samples import sample_images

_HINT = "choose another model, or mend pretrained_cfg in its config.json"


def check_timm(preprocessing: Preprocessing) -> None:
    """Compare timm's own transforms with geometry and arithmetic on unusual images.

    Raises:
        ModelError: they differ, or the model takes neither grey nor colour images.
    """
    if preprocessing.input_size[0] in MODES:  # other models are refused where images are requested
        _check(preprocessing.model_dump_json())


@lru_cache(maxsize=32)
def _check(described: str) -> None:
    preprocessing = Preprocessing.model_validate_json(described)
    try:
        with torch.device("cpu"):  # also while a model is built on the meta device
            stock = timm_transform(preprocessing, normalize=True)
            told = difference(stock, preprocessing, sample_images(mode_of(preprocessing.input_size[0])))
    except Exception as error:  # the transforms may raise anything for unusual settings
        if out_of_memory(error):
            raise
        raise ModelError(
            f"timm cannot prepare images as the model's pretrained_cfg asks: {first_line(error)[:300]}", hint=_HINT
        ) from error
    if told:
        mode = CROP_MODES[preprocessing.resize]
        raise ModelError(f"hubslice cannot prepare images as timm does with crop_mode {mode}: {told}", hint=_HINT)
