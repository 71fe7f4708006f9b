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
    """Which of the candidates a model comes from, by its weights alone; with `out` also written there, with an image.

    Of models on the Hub only parts are read. Candidates that are broken, or that the Hub does not give, are left out
    and named. An index is made by `lineage_index`.

    Raises:
        LineageError: neither candidates nor an index, or an index of another version.
        RunError: the index is missing or damaged.
        InputError: a name is no model, or `out` holds something else.
        ModelError: the model, or every candidate, has no safetensors or damaged ones.
        FetchError: the Hub does not give the model, or any candidate.
    """
    from hubslice.verbs.lineage.service import lineage as find

    return find(params, reporter)


@takes(IndexParams)
def lineage_index(params: IndexParams, reporter: Reporter) -> Indexed:
    """Write the fingerprints of models, some KB each, to the file `out`; models are as in `lineage`.

    Models on the Hub that an index at `out` holds at the commit they have now are not read again, nor are those of a
    call that ended early; till one ends well `out` stays as it was.

    Raises:
        InputError: a name is no model, or `out` is there and no such index.
        ModelError: no model has safetensors that can be read.
        FetchError: the Hub gives none of them, or could not be reached; the same call goes on.
        RunError, LineageError: the index to add to is damaged, or of another version.
    """
    from hubslice.verbs.lineage.indexing import lineage_index as make

    return make(params, reporter)
