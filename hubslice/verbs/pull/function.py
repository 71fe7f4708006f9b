"""Fetch a model, check it and export it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubslice.core.function import takes
from hubslice.core.progress import Reporter
from hubslice.verbs.pull.params import PullParams

if TYPE_CHECKING:
    from hubslice.verbs.pull.service import Pulled


@takes(PullParams)
def pull(params: PullParams, reporter: Reporter) -> Pulled:
    """Fetch a model, verify its files, load it, export it to ONNX and check that the export computes the same.

    Raises:
        FetchError: it cannot be fetched from the Hub.
        IntegrityError: a file does not match the Hub's checksum.
        ModelError: no safetensors, custom code, or an unknown architecture.
        ExportError: it cannot be exported.
        ParityError: the export computes something else.
    """
    from hubslice.verbs.pull.service import pull as fetch

    return fetch(params, reporter)
