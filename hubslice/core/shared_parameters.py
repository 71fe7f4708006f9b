"""Parameters shared by several verbs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from hubslice.core.parameters import Argument, Option
from hubslice.core.paths import AnyPath

Recipe = Annotated[AnyPath, Argument("A recipe file, or the name of a built-in recipe.", "RECIPE")]
Runnable = Annotated[
    AnyPath,
    Argument(
        "A recipe file, a built-in recipe, a run folder, or owner/name[@revision] of a published student.", "RECIPE"
    ),
]
Overrides = Annotated[Sequence[str], Argument("Values that override the recipe, such as train.lr=0.01.", "KEY=VALUE")]
RunFolder = Annotated[AnyPath | None, Option("Folder of the run; default: runs/NAME.", "DIR", short="-o", path=True)]
Device = Annotated[str, Option("Device for models; auto: CUDA if available.", "auto|cpu|cuda:N")]
AllowPickle = Annotated[bool, Option("If a model has no safetensors: read only the tensors of its pickled weights.")]
