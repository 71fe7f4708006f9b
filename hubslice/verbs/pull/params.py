"""Parameters of `pull`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Annotated

from hubslice.core.parameters import Argument, Option, Params
from hubslice.core.paths import AnyPath
from hubslice.core.shared_parameters import AllowPickle


@dataclass(frozen=True)
class PullParams(Params):
    """The model to fetch, and the target folder."""

    model: Annotated[AnyPath, Argument("A Hub id (timm or transformers) or a local folder.", "MODEL[@REVISION]")]
    _: KW_ONLY
    input_size: Annotated[int | None, Option("Side of the input; default: the model's own.", "PIXELS")] = None
    out: Annotated[
        AnyPath | None, Option("Folder to write; default: hubslice's cache.", "DIR", short="-o", path=True)
    ] = None
    allow_pickle: AllowPickle = False
