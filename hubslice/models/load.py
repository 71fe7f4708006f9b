"""Load a model of whatever form."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from hubslice.core.paths import AnyPath
from hubslice.hub.ref import parse_ref

if TYPE_CHECKING:
    from hubslice.models.base import Model


def load(model: AnyPath, *, input_size: int | None = None) -> Model:
    """A model ready to use, of whatever form: plain, compact, or published as a difference to its teacher.

    - `predict(inputs)`: answers to images, as paths, bytes or PIL images, or to texts; see `Model.predict`.
    - `module`: the stock library's own object, whose forward takes normalised pixels, or token ids.
    - `labels`: its classes, in the order of the outputs.
    - `logits(pixels)`: for pixels [N, C, H, W] in [0, 1] at the model's own size, for which `preprocessing` prepares.

    `model` is a Hub id, a run folder or a model folder.

    Raises:
        FetchError: the Hub does not give it.
        ModelError: its files cannot be used.
    """
    from hubslice.hub.pull import fetch
    from hubslice.models.folder import load_model

    return load_model(fetch(parse_ref(os.fspath(model), Path.cwd())).folder, input_size=input_size)
