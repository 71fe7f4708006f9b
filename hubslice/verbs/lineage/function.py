"""Find which model another one comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubslice.core.function import takes
from hubslice.core.progress import Reporter
from hubslice.verbs.lineage.params import IndexParams, LineageParams

if TYPE_CHECKING:
    from hubslice.artefacts.lineage import Indexed, Lineage


@takes(LineageParams)
def lineage(params: LineageParams, reporter: Reporter) -> Lineage:
    """Find which of the candidates a model comes from, by its weights alone; with `out`, write the result and a plot.

    Of models on the Hub only parts are read. Candidates that are damaged, or that cannot be fetched, are left out and
    listed. An index is created by `lineage_index`.

    Raises:
        LineageError: neither candidates nor an index, or an index whose version is not supported.
        RunError: the index is missing or damaged.
        InputError: a name is not a model, or `out` contains something else.
        ModelError: the model, or every candidate, has no safetensors or damaged ones.
        FetchError: the model, or every candidate, cannot be fetched from the Hub.
    """
    from hubslice.verbs.lineage.service import lineage as find

    return find(params, reporter)


@takes(IndexParams)
def lineage_index(params: IndexParams, reporter: Reporter) -> Indexed:
    """Write the fingerprints of models, some KB each, to the file `out`; models are given as in `lineage`.

    Models on the Hub that an index at `out` has at their current commit are not read again, nor are those of an
    interrupted call; until a call succeeds `out` is unchanged.

    Raises:
        InputError: a name is not a model, or `out` exists and is not an index.
        ModelError: no model has safetensors that can be read.
        FetchError: none of them can be fetched, or the Hub could not be reached; the same call resumes.
        RunError, LineageError: the index to extend is damaged, or its version is not supported.
    """
    from hubslice.verbs.lineage.indexing import lineage_index as make

    return make(params, reporter)
