"""Find which model another one comes from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hubslice.core.paths import AnyPath, as_path
from hubslice.core.progress import Reporter, Silent

if TYPE_CHECKING:
    from hubslice.artefacts.lineage import Indexed, Lineage


def lineage(
    model: AnyPath,
    candidates: Sequence[AnyPath] = (),
    *,
    index: AnyPath | None = None,
    out: AnyPath | None = None,
    reporter: Reporter | None = None,
) -> Lineage:
    """Which of the candidates a model comes from, by its weights alone; with `out` also written there, with an image.

    Models are Hub ids, of which only parts are read, folders, runs or safetensors files; as a candidate a folder of
    models stands for all of them. An `index` that `lineage_index` wrote stands in for candidates. Candidates that are
    broken, or that the Hub does not give, are left out and named.

    Raises:
        LineageError: neither candidates nor an index, or an index of another version.
        RunError: the index is missing or damaged.
        InputError: a name is no model, or `out` holds something else.
        ModelError: the model, or every candidate, has no safetensors or damaged ones.
        FetchError: the Hub does not give the model, or any candidate.
    """
    from hubslice.verbs.lineage.service import lineage as find

    return find(
        os.fspath(model),
        [os.fspath(each) for each in candidates],
        index=as_path(index),
        out=as_path(out),
        reporter=reporter or Silent(),
    )


def lineage_index(
    models: Sequence[AnyPath], out: AnyPath, *, add: bool = False, reporter: Reporter | None = None
) -> Indexed:
    """Write the fingerprints of models, some KB each, to the file `out`; models are as in `lineage`.

    With `add` the models of an index at `out` that are not read now stay in it. Models on the Hub that it holds at the
    commit they have now are not read again, nor are those of a call that ended early; till one ends well `out` stays
    as it was.

    Raises:
        InputError: a name is no model, or `out` is there and no such index.
        ModelError: no model has safetensors that can be read.
        FetchError: the Hub gives none of them, or could not be reached; the same call goes on.
        RunError, LineageError: the index to add to is damaged, or of another version.
    """
    from hubslice.verbs.lineage.indexing import lineage_index as make

    return make([os.fspath(each) for each in models], as_path(out), add=add, reporter=reporter or Silent())
