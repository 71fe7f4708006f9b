"""Fetch a model, check it and export it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hubslice.core.paths import AnyPath, as_path
from hubslice.core.progress import Reporter, Silent

if TYPE_CHECKING:
    from hubslice.verbs.pull.service import Pulled


def pull(
    model: AnyPath,
    *,
    input_size: int | None = None,
    out: AnyPath | None = None,
    allow_pickle: bool = False,
    reporter: Reporter | None = None,
) -> Pulled:
    """Fetch a model, check its bytes, load it, export it to ONNX and check that the export computes the same.

    `model` is a Hub id, with `@revision` if need be, or a local folder. `out` defaults to a folder of hubslice's cache.
    `allow_pickle` lets the tensors, and nothing else, be read from pickled weights where there are no safetensors.

    Raises:
        FetchError: the Hub does not give it.
        IntegrityError: a file is not what the Hub promised.
        ModelError: no safetensors, custom code, or an unknown architecture.
        ExportError: it cannot be exported.
        ParityError: the export computes something else.
    """
    from hubslice.verbs.pull.service import pull as fetch

    return fetch(
        os.fspath(model),
        input_size=input_size,
        out=as_path(out),
        allow_pickle=allow_pickle,
        reporter=reporter or Silent(),
    )
