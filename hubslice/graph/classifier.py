"""How a classifier's graph of any exporter is used: where its images have their channels, and which output answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hubslice.core.errors import ModelError

COLOURS = (1, 3, 4)  # channels of an image
NAMES = ("logits", "probabilities")  # of the output that answers, where shapes leave a choice
FLOATS = ("f2", "f4", "f8")
LARGEST = 4096  # pixels of a side, as --input-size takes them at the most

Sides = Sequence[int | None]  # of a tensor: None where any size is taken


def channels_last(shape: Sides) -> bool:
    """Whether images of this shape are [N, H, W, C], as TensorFlow's are, and not [N, C, H, W].

    Told by the one of the two axes that is as long as an image has channels; where both are, by a square.
    """
    _, first, second, last = shape
    if last not in COLOURS:
        return False
    return first not in COLOURS or (first == second != last)


def channels_first(shape: Sides) -> tuple[int | None, int | None, int | None, int | None]:
    """The shape as [N, C, H, W]."""
    samples, first, second, last = shape
    return (samples, last, first, second) if channels_last(shape) else (samples, first, second, last)


def check_sides(name: str, shape: Sides) -> None:
    """Make sure that a graph's input has the size of images, before memory for it is asked for.

    Raises:
        ModelError: it is larger than any.
    """
    if any(side is not None and side > LARGEST for side in shape):
        told = " x ".join("?" if side is None else str(side) for side in shape)
        raise ModelError(
            f"{name} takes inputs of {told}, and no side of an image may be longer than {LARGEST} pixels",
            hint="export it again; the file may be damaged",
        )


def arranged(pixels: np.ndarray, shape: Sides) -> np.ndarray:
    """Images [N, C, H, W] as a graph with an input of this shape takes them."""
    return np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)) if channels_last(shape) else pixels


def answering(name: str, found: Mapping[str, object], samples: int, classes: int | None) -> str:
    """The output that answers, of all that the graph called `name` gives for so many samples, by name.

    It is the only one; else the only one of floating point numbers with a value for each class and sample; else, among
    those, the one that is called `logits`, or else `probabilities`.

    Raises:
        ModelError: none is, or several may be.
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
    """An output's name without the scopes and numbers that exporters put around it: `StatefulCall/logits:0`."""
    return name.rpartition("/")[2].partition(":")[0].lower()


def _described(array: object) -> str:
    return f"{array.dtype} {list(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
