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
Overrides = Annotated[Sequence[str], Argument("Values put over the recipe's, such as train.lr=0.01.", "KEY=VALUE")]
RunFolder = Annotated[AnyPath | None, Option("Folder of the run; default: runs/NAME.", "DIR", short="-o", path=True)]
Device = Annotated[str, Option("Where models run; auto: CUDA where there is one.", "auto|cpu|cuda:N")]
AllowPickle = Annotated[
    bool, Option("Where a model has no safetensors: read the tensors, and nothing else, of its pickled weights.")
]
