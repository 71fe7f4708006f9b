"""Use classifier graphs of any exporter: find the channel axis of the images, and the output with the predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hubslice.core.errors import ModelError

COLOURS = (1, 3, 4)  # channels of an image
NAMES = ("logits", "probabilities")  # names of the output with predictions, if shapes are ambiguous
FLOATS = ("f2", "f4", "f8")
LARGEST = 4096  # maximum side in pixels, as for --input-size

Sides = Sequence[int | None]  # of a tensor; None where any size is accepted


def channels_last(shape: Sides) -> bool:
    """Return whether images of this shape are [N, H, W, C], as in TensorFlow, and not [N, C, H, W].

    Determined by which of the two axes has the length of image channels; if both have, by which layout is square.
    """
    _, first, second, last = shape
    if last not in COLOURS:
        return False
    return first not in COLOURS or (first == second != last)


def channels_first(shape: Sides) -> tuple[int | None, int | None, int | None, int | None]:
    """Return the shape as [N, C, H, W]."""
    samples, first, second, last = shape
    return (samples, last, first, second) if channels_last(shape) else (samples, first, second, last)


def check_sides(name: str, shape: Sides) -> None:
    """Check that a graph's input has the size of images, before memory for it is allocated.

    Raises:
        ModelError: it is larger than any image.
    """
    if any(side is not None and side > LARGEST for side in shape):
        told = " x ".join("?" if side is None else str(side) for side in shape)
        raise ModelError(
            f"{name} takes inputs of {told}, and no side of an image may be longer than {LARGEST} pixels",
            hint="export it again; the file may be damaged",
        )


def arranged(pixels: np.ndarray, shape: Sides) -> np.ndarray:
    """Transpose images [N, C, H, W] for a graph with an input of this shape."""
    return np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)) if channels_last(shape) else pixels


def answering(name: str, found: Mapping[str, object], samples: int, classes: int | None) -> str:
    """Return the name of the output with the predictions; `found` are all outputs of the graph `name` for `samples`.

    It is the only output; else the only one of floating point numbers with a value for each class and sample; else,
    among those, the one called `logits`, or else `probabilities`.

    Raises:
        ModelError: no output qualifies, or several do.
    """
    if len(found) == 1:
        return next(iter(found))
    fitting = [
        key
        for key, array in found.items()
        if isinstance(array, np.ndarray)
        and array.dtype.str[1:] in FLOATS
        and array.ndim == 2
        and len(array) == samples
        and (classes is None or array.shape[1] == classes)
    ]
    if len(fitting) == 1:
        return fitting[0]
    for wanted in NAMES:
        called = [key for key in fitting if _bare(key) == wanted]
        if len(called) == 1:
            return called[0]
    told = ", ".join(f"{key} {_described(array)}" for key, array in found.items())
    labels = "one value for each label" if classes is None else f"a value for each of {classes} labels"
    raise ModelError(
        f"{name} has {len(found)} outputs, and {'several' if fitting else 'none'} of them may be its answers, "
        f"{labels}: {told}",
        hint=f"rename the output that answers to logits, or keep it alone: onnx.utils.extract_model({name!r}, "
        "'answers.onnx', [INPUT], [OUTPUT])",
    )


def _bare(name: str) -> str:
    """Return an output's name without the scopes and numbers added by exporters: `StatefulCall/logits:0`."""
    return name.rpartition("/")[2].partition(":")[0].lower()


def _described(array: object) -> str:
    return f"{array.dtype} {list(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
