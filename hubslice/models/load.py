"""Load a model from any source: a Hub id, a run folder or a model folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from hubslice.core.paths import AnyPath
from hubslice.hub.ref import parse_ref

if TYPE_CHECKING:
    from hubslice.models.base import Model


def load(model: AnyPath, *, input_size: int | None = None) -> Model:
    """Load a model ready to use: plain, compact, or published as a delta to its teacher.

    - `predict(inputs)`: answers to images, as paths, bytes or PIL images, or to texts; see `Model.predict`.
    - `module`: the stock library's own object, whose forward takes normalised pixels, or token ids.
    - `labels`: its classes, in the order of the outputs.
    - `logits(pixels)`: for pixels [N, C, H, W] in [0, 1] at the model's own size, as prepared by `preprocessing`.

    `model` is a Hub id, a run folder or a model folder.

    Raises:
        FetchError: the model cannot be fetched from the Hub.
        ModelError: its files cannot be used.
    """
    from hubslice.hub.pull import fetch
    from hubslice.models.folder import load_model

    return load_model(fetch(parse_ref(os.fspath(model), Path.cwd())).folder, input_size=input_size)
