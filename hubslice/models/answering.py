"""Whether a model answers to an image as it prepares it: sizes may fit each file, and not one another."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch

from hubslice.core.errors import ModelError
from hubslice.core.foreign_errors import first_line
from hubslice.core.machine import out_of_memory
from hubslice.modality.image.image_processor import SETTINGS_FILE
from hubslice.models.base import Model
from hubslice.models.calling import eval_mode

_LARGEST: Final = 512 * 512  # pixels; larger images take memory, and are not too small for a network


def check_image(model: Model, folder: Path, asked: int | None) -> None:
    """Nothing where the model, read from the folder, gives something for one image.

    Large ones are not tried, and where memory is short nothing is said. `asked` is the side that the user named for
    its input, if any.

    Raises:
        ModelError: it gives none.
    """
    if model.preprocessing is None or not model.classifies_images:
        return
    _, height, width = model.preprocessing.input_size
    if height * width > _LARGEST or next(model.module.parameters()).is_meta:
        return
    try:
        with torch.inference_mode(), eval_mode(model.module):
            model.forward(model.example_inputs(1, seed=0))
    except Exception as error:  # of any layer
        if out_of_memory(error):
            return  # which says nothing of the model; whatever works with it tells
        told = f"{folder}: {model.architecture} cannot answer to an image: {first_line(error)[:200]}"
        if asked is not None:
            raise ModelError(
                f"{told} (of {height} x {width} pixels, as asked)",
                hint="give --input-size with the side that it was made for, or leave it out",
            ) from error
        file = "config.json" if model.preprocessing.processor is None else SETTINGS_FILE
        raise ModelError(
            f"{told} ({file} prepares images of {height} x {width} pixels)",
            hint=f"check that the sizes in {file} are those of the weights, and so are the arguments in config.json",
        ) from error
