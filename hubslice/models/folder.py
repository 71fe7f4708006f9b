"""A model from a folder as the Hub stores it: config.json beside safetensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hubslice.errors import ModelError
from hubslice.models.base import Model


def load_model(folder: Path, *, input_size: int | None = None) -> Model:
    """The model in evaluation mode on the CPU; `input_size` in pixels overrides the side of a square input.

    Raises:
        ModelError: config.json or the weights are missing, damaged, or of neither library.
    """
    config = read_config(folder)
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"{folder} has no safetensors weights", hint="convert the weights to safetensors; pickles are not loaded"
        )
    if "architecture" in config:
        from hubslice.models.timm_adapter import TimmModel

        model: Model = TimmModel.load(folder, config, input_size)
    else:
        from hubslice.models.transformers_adapter import TransformersModel

        model = TransformersModel.load(folder, config, input_size)
    model.module.eval()
    return model


def random_model(folder: Path, *, input_size: int | None = None) -> Model:
    """The architecture that the folder's config.json describes, with random weights: to measure time and memory.

    Raises:
        ModelError: config.json is missing or names no architecture of timm or transformers.
    """
    config = read_config(folder)
    if "architecture" in config:
        from hubslice.models.timm_adapter import TimmModel

        return TimmModel.random(config, input_size)
    from hubslice.models.transformers_adapter import TransformersModel

    return TransformersModel.random(folder, config, input_size)


def read_config(folder: Path) -> dict[str, Any]:
    """The folder's config.json.

    Raises:
        ModelError: it is missing, not JSON, of an unknown kind, or asks for custom code.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise ModelError(
            f"{folder} is not a model: it has no config.json", hint="give a Hub id or a folder with config.json"
        ) from error
    except ValueError as error:
        raise ModelError(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict) or not ({"architecture", "architectures", "model_type"} & config.keys()):
        raise ModelError(f"{path} names no architecture of timm or transformers")
    if "auto_map" in config:
        raise ModelError(
            f"{path} asks for code of its own (auto_map); hubslice runs no code from model repositories",
            hint="choose a model whose class timm or transformers ships",
        )
    return config
