"""Make another form of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubslice.core.function import takes
from hubslice.core.progress import Reporter
from hubslice.verbs.convert.params import ConvertParams

if TYPE_CHECKING:
    from hubslice.verbs.convert.service import Converted


@takes(ConvertParams)
def convert(params: ConvertParams, reporter: Reporter) -> Converted:
    """Make another form of a run's student, of a model folder, or of a model on the Hub.

    - `compact`: a model folder without the channels, heads and features that are zero.
    - `onnx`, `fp16`: a graph for plain ONNX Runtime that computes the same, in float16 inside.
    - `int8`: a graph in 8-bit integers, calibrated with `samples` images, or `dynamic`.
    - `pruned`: the model without the share `sparsity` of its weights, the smallest; with `epochs` it is then trained to
      answer as before, zeros held.
    - `distilled`: the smaller model `into`, an architecture (with its `arguments`) or a model, taught to answer alike.

    Labels of the images play no part. A training that was stopped goes on when the same is asked again.

    Raises:
        InputError: `out` holds something else, an option is another form's, or there are no images.
        RunError: the run, or that in which `out` lies, is being worked on.
        SliceError: nothing can be taken out, or what the run's slice took out has grown again.
        ModelError: a model cannot be used. ExportError: it cannot be exported or quantised.
        ParityError: the form computes something else than the model, or answers otherwise too often.
    """
    from hubslice.verbs.convert.service import convert as make

    return make(params, reporter)
