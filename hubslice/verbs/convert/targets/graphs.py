"""Convert to an ONNX graph: in full precision, in float16, or in 8-bit integers."""

from __future__ import annotations

from hubslice.core.errors import InputError
from hubslice.core.paths import as_text
from hubslice.core.progress import stage
from hubslice.graph.deployable import write_onnx
from hubslice.verbs.convert.quantise import write_int8
from hubslice.verbs.convert.targets.images import images
from hubslice.verbs.convert.targets.job import Job, Made

ONNX = "model.onnx"


def onnx_form(job: Job) -> Made:
    """Write the graph in float32.

    Raises:
        ParityError: it computes something else than the model.
    """
    return _float(job, half=False)


def fp16_form(job: Job) -> Made:
    """Write the graph in float16; its input and output stay float32.

    Raises:
        ParityError: it computes something else than the model.
    """
    return _float(job, half=True)


def _float(job: Job, *, half: bool) -> Made:
    parity = write_onnx(job.model, job.folder / ONNX, half=half, reporter=job.reporter)
    return Made(job.model.parameters, sum(path.stat().st_size for path in job.folder.iterdir()), parity=parity)


def int8_form(job: Job) -> Made:
    """Write the quantised graph.

    Raises:
        InputError: there are no images to calibrate with.
        ModelError: the model has no classifier.
        ParityError: its predictions differ too often.
    """
    options = job.options
    if job.model.preprocessing is not None:  # predicted classes for images, or for noise, are compared
        job.model.check_answers()
    with stage(job.reporter, "images", "Read images to calibrate and to check with"):
        calibration, check = images(job.ref, job.model, as_text(options.data), options.samples)
    if calibration is None and not options.dynamic:
        raise InputError(
            f"{job.ref} is no run, so there are no images to calibrate with",
            hint="give some of what it is used on with --data, or use --dynamic",
        )
    path = job.folder / ONNX
    told = write_int8(
        job.model,
        path,
        calibration=None if options.dynamic else calibration,
        check=check,
        least=options.min_agreement,
        reporter=job.reporter,
    )
    return Made(job.model.parameters, path.stat().st_size, agreement=told)
