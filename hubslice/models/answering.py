"""Check that a loaded model can run on one input: sizes may match each file but not each other."""

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

_LARGEST: Final = 512 * 512  # pixels; larger images need much memory, and are never too small for a network


def check_image(model: Model, folder: Path, asked: int | None) -> None:
    """Run the model, loaded from the folder, on one image.

    Larger images are skipped, and out-of-memory errors ignored. `asked` is the input side that the user requested, if
    any.

    Raises:
        ModelError: the model fails.
    """
    if model.preprocessing is None or not model.classifies_images:
        return
    _, height, width = model.preprocessing.input_size
    if height * width > _LARGEST or next(model.module.parameters()).is_meta:
        return
    try:
        with torch.inference_mode(), eval_mode(model.module):
            model.forward(model.example_inputs(1, seed=0))
    except Exception as error:  # layers may raise anything
        if out_of_memory(error):
            return  # says nothing about the model; later work reports it
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
