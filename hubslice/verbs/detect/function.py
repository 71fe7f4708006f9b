"""Tell adversarial inputs from clean ones."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hubslice.core.paths import AnyPath, as_path
from hubslice.core.progress import Reporter, Silent
from hubslice.engine.run_folder import undisturbed

if TYPE_CHECKING:
    from hubslice.verbs.detect.facts import Detection, Fitted
    from hubslice.verbs.detect.service import Shape


def detect_fit(
    model: AnyPath,
    data: AnyPath,
    *,
    fpr: float = 0.05,
    layers: Sequence[str] = (),
    shape: Shape = "absolute",
    slices_only: bool = False,
    skip_rare: bool = False,
    limit: int = 4000,
    seed: int = 0,
    input_size: int | None = None,
    device: str = "auto",
    out: AnyPath | None = None,
    reporter: Reporter | None = None,
) -> Fitted:
    """Learn a detector of inputs that a model decides unlike clean ones, and write it to the folder `out`.

    `data` are clean images, as in `explain`, or a data set's Hub id; `limit` of them are drawn. Their classes are the
    model's answers. Compared are slices of `layers` (default: the last before the classifier) and, but for
    `slices_only`, the logit margin. At most the share `fpr` of clean inputs is flagged, in expectation. `skip_rare`
    leaves out answers with too few images.

    Raises:
        DetectError: an answer has too few images, no such layer, or an impossible `fpr`.
        DataError: the data are missing, damaged, or of another kind or size.
        ExplainError: values that are not finite. RuleError: an operator of the model has no rule.
        ModelError: the model cannot be used. FetchError: the Hub does not give it.
        InputError: `out` holds something else.
    """
    from hubslice.verbs.detect.service import detect_fit as make

    with undisturbed(Path(model)):
        return make(
            os.fspath(model),
            os.fspath(data),
            fpr=fpr,
            layers=layers,
            shape=shape,
            slices_only=slices_only,
            skip_rare=skip_rare,
            limit=limit,
            seed=seed,
            input_size=input_size,
            device=device,
            out=as_path(out),
            reporter=reporter or Silent(),
        )


def detect_check(
    model: AnyPath,
    inputs: AnyPath,
    *,
    detector: AnyPath | None = None,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> Detection:
    """Score inputs by how unlike clean ones the model decides on them.

    `model` is the model, or the folder of a detector, which knows its model; `detector` defaults to the folder that
    `detect_fit` writes by default.

    Raises:
        DetectError: there is no detector, or it is one of another model.
        RunError: the detector is damaged.
        DataError: the inputs are missing, damaged, or of another kind or size.
        ModelError: the model cannot be used. FetchError: the Hub does not give it.
    """
    from hubslice.verbs.detect.service import detect_check as make

    with undisturbed(Path(model)):
        return make(
            os.fspath(model), as_path(inputs), detector=as_path(detector), device=device, reporter=reporter or Silent()
        )
