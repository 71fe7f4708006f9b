"""Convert a model to another form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubslice.core.function import takes
from hubslice.core.progress import Reporter
from hubslice.verbs.convert.params import ConvertParams

if TYPE_CHECKING:
    from hubslice.verbs.convert.service import Converted


@takes(ConvertParams)
def convert(params: ConvertParams, reporter: Reporter) -> Converted:
    """Convert a run's student, a model folder, or a model on the Hub to another form.

    - `compact`: a model folder without the channels, heads and features that are zero.
    - `onnx`, `fp16`: a graph for plain ONNX Runtime that computes the same, with float16 inside for `fp16`.
    - `int8`: a graph in 8-bit integers, calibrated with `samples` images, or `dynamic`.
    - `pruned`: the model without the share `sparsity` of its weights, the smallest; with `epochs` it is then trained to
      predict as before, with the zeros held.
    - `distilled`: the smaller model `into`, an architecture (with its `arguments`) or a model, trained to match.

    Labels of the images are ignored. An interrupted training resumes when the function is called again with the same
    arguments.

    Raises:
        InputError: `out` contains something else, an option belongs to another form, or there are no images.
        RunError: another process works in the run, or in the run that contains `out`.
        SliceError: nothing can be removed, or what the run's slice removed has grown again.
        ModelError: a model cannot be used. ExportError: it cannot be exported or quantised.
        ParityError: the result computes something else than the model, or its predictions differ too often.
    """
    from hubslice.verbs.convert.service import convert as make

    return make(params, reporter)
