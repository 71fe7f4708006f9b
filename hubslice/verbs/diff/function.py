"""Search for inputs on which two models disagree."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hubslice.core.errors import DiffError
from hubslice.core.paths import AnyPath, as_path
from hubslice.core.progress import Reporter, Silent
from hubslice.engine.run_folder import undisturbed

if TYPE_CHECKING:
    from hubslice.artefacts.deviation import Deviations
    from hubslice.recipe.deviation import Fitness, Method, Operators


def diff(
    a: AnyPath,
    b: AnyPath,
    inputs: AnyPath,
    *,
    budget: int = 2000,
    max_linf: float | None = None,
    min_ssim: float | None = None,
    max_edits: int | None = None,
    min_gap: float = 0.0,
    minimise: bool = False,
    method: Method = "triggerfinder",
    fitness: Fitness = "margin",
    novelty: bool = False,
    patience: int = 50,
    operators: Operators = "ranked",
    limit: int = 200,
    seed: int = 0,
    batch: int = 64,
    label_map: Mapping[str, str] | AnyPath | None = None,
    resize: bool = False,
    input_size: int | None = None,
    column: str | None = None,
    device: str = "auto",
    out: AnyPath | None = None,
    repair: AnyPath | None = None,
    repair_share: float | None = None,
    repair_epochs: int | None = None,
    repair_lr: float | None = None,
    reporter: Reporter | None = None,
) -> Deviations:
    """Search for inputs on which two models answer differently, and write them to the folder `out`.

    `a` and `b` are each a Hub id, a run, a model folder or an ONNX file; `inputs` are images as in `explain`, or a
    data set's Hub id, prepared as `a` wants them; `limit` are drawn. Of each, at most `budget` mutants are tried.
    A trigger differs from its seed by at most `max_linf` of the pixel range in every value, and its structural
    similarity is at least `min_ssim`; of a text at most `max_edits` characters are changed. Both models prefer their
    own answer to the other's by `min_gap`. The other options are those of `hubslice.recipe.deviation.SearchParams`.
    The result does not depend on `batch`, the seeds searched at a time. `label_map` is as in
    `hubslice.deviation.labels`, or a JSON file; with `resize` images are scaled for `b`. For text classifiers
    `inputs` is a .txt file with a text a line, a .csv, .tsv, .parquet or .jsonl table, or a data set's Hub id; the
    texts are in `column`, by default `text` or `sentence`.

    With `repair`, a folder, `b` is then trained further on `repair_share` of the seeds (half of them by default) and
    their triggers with `a`'s probabilities, and written there as a model folder; weights that are zero stay zero. What
    that brought on the other seeds is in the result's `repair` and in the folder's repair.json: triggers that are gone,
    a new search with the same options, and what it cost in accuracy. Where no trigger is found there is nothing to
    repair, and `repair` of the result is None.

    Raises:
        DiffError: labels or input sizes differ, an option makes no sense, a model failed, `b` is a graph that cannot be
            trained, or there are too few triggers to hold some out; what was found is kept.
        DataError: the inputs are missing, damaged, or of another kind or size.
        ModelError: a model cannot be used. FetchError: the Hub does not give it.
        InputError: `out` or `repair` holds something else.
    """
    from hubslice.verbs.diff.repair import Wanted
    from hubslice.verbs.diff.service import diff as search
    from hubslice.verbs.diff.service import repair_params, search_params

    params = search_params(
        method=method,
        budget=budget,
        fitness=fitness,
        novelty=novelty,
        patience=patience,
        operators=operators,
        max_linf=max_linf,
        min_ssim=min_ssim,
        max_edits=max_edits,
        min_gap=min_gap,
        minimise=minimise,
        seed=seed,
    )
    options = {"share": repair_share, "epochs": repair_epochs, "lr": repair_lr}
    for name, value in options.items():
        if repair is None and value is not None:
            raise DiffError(
                f"--repair-{name} goes with --repair DIR, which is not given", hint="give it, or leave both out"
            )
    mend = None if repair is None else Wanted(repair_params(**options, seed=seed), as_path(repair))
    with undisturbed(Path(a), Path(b)):
        return search(
            os.fspath(a),
            os.fspath(b),
            os.fspath(inputs),
            search=params,
            limit=limit,
            batch=batch,
            mapped=os.fspath(label_map) if isinstance(label_map, str | os.PathLike) else label_map,
            resize=resize,
            input_size=input_size,
            column=column,
            device=device,
            out=as_path(out),
            reporter=reporter or Silent(),
            mend=mend,
        )
