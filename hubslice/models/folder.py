"""Load a model from a folder in the Hub's layout: config.json beside safetensors files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hubslice.core.errors import ModelError
from hubslice.files.config import check_numbers, read_object
from hubslice.models.answering import check_image
from hubslice.models.base import Model
from hubslice.models.building import Budget, trouble_with
from hubslice.models.libraries import LIBRARIES, library_of
from hubslice.models.library import Library
from hubslice.models.recording import with_recorded
from hubslice.models.shapes import check_runs
from hubslice.models.weights import check_finite, held_shapes


def load_model(folder: Path, *, input_size: int | None = None) -> Model:
    """Load the model on the CPU in evaluation mode; `input_size` in pixels overrides the side of a square input.

    The headers are compared with the architecture of config.json before any memory is allocated.

    Raises:
        ModelError: config.json or the weights are missing, damaged, not finite, too small or of neither library.
    """
    config, library = read_config(folder)
    held = held_shapes(folder)
    with trouble_with(folder, library.name):
        model = library.adapter().load(folder, config, input_size, held)
    model.preprocessing = with_recorded(model.preprocessing, config, folder)
    check_finite(model.module, folder)
    if model.shapes is None:
        check_image(model, folder, input_size)
    else:
        check_runs(model.module, model.example_inputs(1, seed=0), str(folder))
    model.module.eval()
    return model


def random_model(folder: Path, *, input_size: int | None = None) -> Model:
    """Return the architecture of the folder's config.json with random weights, to measure time and memory.

    Raises:
        ModelError: config.json is missing or describes no model of timm or transformers that fits into memory.
    """
    config, library = read_config(folder)
    with trouble_with(folder, library.name):
        model = library.adapter().random(folder, config, input_size, Budget.of_memory())
    model.preprocessing = with_recorded(model.preprocessing, config, folder)
    return model


def read_config(folder: Path) -> tuple[dict[str, Any], Library]:
    """Return the folder's config.json and the library that it belongs to.

    Raises:
        ModelError: it is missing, not JSON, of an unknown kind, requires custom code, or has unreasonable numbers.
    """
    config = read_object(folder / "config.json", str(folder))
    library = library_of(config)
    if library is None:
        names = " or ".join(each.name for each in LIBRARIES)
        raise ModelError(
            f"{folder / 'config.json'} names no architecture of {names}", hint=f"name a model that {names} saved"
        )
    check_numbers(config, f"{folder}: config.json")
    return config, library
