"""Make another form of a model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hubslice.core.paths import AnyPath, as_path
from hubslice.core.progress import Reporter, Silent
from hubslice.engine.run_folder import undisturbed

if TYPE_CHECKING:
    from hubslice.verbs.convert.service import Converted
    from hubslice.verbs.convert.targets.options import Form


def convert(
    model: AnyPath,
    form: Form,
    *,
    data: AnyPath | None = None,
    dynamic: bool = False,
    samples: int = 100,
    min_agreement: float = 0.8,
    sparsity: float = 0.5,
    into: AnyPath | None = None,
    arguments: Mapping[str, object] | None = None,
    epochs: int | None = None,
    lr: float | None = None,
    seed: int = 0,
    device: str = "auto",
    out: AnyPath | None = None,
    reporter: Reporter | None = None,
) -> Converted:
    """Make another form of a run's student, of a model folder, or of a model on the Hub.

    - `compact`: a model folder without the channels, heads and features that are zero.
    - `onnx`, `fp16`: a graph for plain ONNX Runtime that computes the same, in float16 inside.
    - `int8`: a graph in 8-bit integers, calibrated with `samples` images, or `dynamic`.
    - `pruned`: the model without the share `sparsity` of its weights, the smallest; with `epochs` it is then trained to
      answer as before, zeros held.
    - `distilled`: the smaller model `into`, an architecture (with its `arguments`) or a model, taught to answer alike.

    Images to calibrate, to teach and to check with come from the run's own splits, or from `data`; labels play no
    part. Of others, the share `min_agreement` must get the same answer from `int8`, `pruned` and `distilled`. `lr` is a
    learning rate, by default 0.01, and 0.05 for random weights. `out` is the folder to write, by default one of the
    run, or one in the working directory called after the model. A training that was stopped goes on when the same is
    asked again.

    Raises:
        InputError: `out` holds something else, an option is another form's, or there are no images.
        RunError: the run, or that in which `out` lies, is being worked on.
        SliceError: nothing can be taken out, or what the run's slice took out has grown again.
        ModelError: a model cannot be used. ExportError: it cannot be exported or quantised.
        ParityError: the form computes something else than the model, or answers otherwise too often.
    """
    from hubslice.verbs.convert.service import convert as make
    from hubslice.verbs.convert.targets.options import FormOptions

    options = FormOptions(
        dynamic=dynamic,
        data=None if data is None else os.fspath(data),
        samples=samples,
        min_agreement=min_agreement,
        sparsity=sparsity,
        into=None if into is None else os.fspath(into),
        arguments=arguments or {},
        epochs=epochs,
        lr=lr,
        seed=seed,
        device=device,
    )
    where = as_path(out)
    with undisturbed(Path(model), *([where] if where is not None else [])):
        return make(os.fspath(model), form, options, out=where, reporter=reporter or Silent())
