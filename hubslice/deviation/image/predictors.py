"""Open image classifiers from any source for predicting the same images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hubslice.artefacts.deviation import ComparedModel
from hubslice.artefacts.model import Preprocessing
from hubslice.core.device import exact_arithmetic
from hubslice.core.errors import DiffError, ModelError
from hubslice.deviation.image.inputs import IMAGES
from hubslice.deviation.labels import share
from hubslice.deviation.predictor import Outputs, Pair, Predictor, called, outputs_of
from hubslice.graph.classifier import answering, arranged, channels_first, check_sides
from hubslice.graph.content_hash import graph_hash
from hubslice.modality.image.arithmetic import normalise

if TYPE_CHECKING:
    from hubslice.models.opening import Kind, OpenedModel

INPUTS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}

CHUNKS = {"cpu": 8, "cuda": 64}  # images in a call: larger batches are not faster

PROBE = 8  # noise images for identifying a graph's output

Run = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class ImagePredictor(Predictor):
    """`run` returns its output float [n, classes] for pixels float32 in [0, 1], [n, C, H, W] of its own size."""

    one: ClassVar[str] = "image"

    preprocessing: Preprocessing
    run: Run

    def call(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        pixels = self.pixels(inputs)
        return called(self.name, self.run, pixels, f"images of {_words(pixels.shape[1:])}")

    def pixels(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Convert images uint8 [C, H, W] of one size to float32 in [0, 1], [n, C, H, W], scaled to the model's size."""
        pixels: np.ndarray = np.stack(list(images)).astype(np.float32) / 255
        height, width = self.preprocessing.input_size[1:]
        if pixels.shape[2:] == (height, width):
            return pixels
        import torch

        scaled = torch.nn.functional.interpolate(
            torch.from_numpy(pixels), (height, width), mode="bilinear", antialias=True, align_corners=False
        )
        return scaled.clamp(0, 1).numpy()


@dataclass(frozen=True)
class OpenedImages:
    """A loaded model; a graph may lack information on preprocessing, or may accept only one size."""

    name: str
    kind: Kind
    fingerprint: str
    labels: tuple[str, ...] | None
    preprocessing: Preprocessing | None
    runner: Callable[[Preprocessing, int], Run]  # for a number of classes
    size: tuple[int | None, int | None, int | None] = (None, None, None)
    outputs: Outputs | None = None  # None: to be determined


def takes_images(opened: OpenedModel) -> bool:
    """Whether a model takes images."""
    return opened.model.preprocessing is not None


def open_images(opened: OpenedModel, device: str) -> OpenedImages:
    """The image classifier.

    Raises:
        ModelError: it cannot be used.
    """
    from hubslice.models.label_names import readable

    model = opened.model
    preprocessing = model.image_preprocessing
    model.check_answers()
    model.module.to(device)

    def run(pixels: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode(), exact_arithmetic(device):
            found: np.ndarray = model.logits(torch.from_numpy(pixels).to(device)).float().cpu().numpy()
            return found

    return OpenedImages(
        opened.name,
        opened.kind,
        opened.fingerprint,
        readable(model.labels),
        preprocessing,
        lambda *_: run,
        outputs="logits",
    )


def open_image_graph(name: str, path: Path, session: Any, input_size: int | None) -> OpenedImages:
    """Open an ONNX graph in a session of ONNX Runtime as an image classifier.

    Raises:
        ModelError: it does not take images.
    """
    from hubslice.graph.described import described
    from hubslice.models.label_names import readable

    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in INPUTS:
        told = ", ".join(f"{value.name}: {value.type} {value.shape}" for value in inputs)
        raise ModelError(
            f"{name} takes no images: its inputs are {told}",
            hint="compared are models with one input of floating point images, [N, C, H, W] or [N, H, W, C], or with "
            "token ids input_ids, attention_mask and token_type_ids",
        )
    about = described(session.get_modelmeta().custom_metadata_map)
    shape = tuple(size if isinstance(size, int) and size > 0 else None for size in inputs[0].shape)
    check_sides(name, shape)
    names = [value.name for value in session.get_outputs()]

    def runner(preprocessing: Preprocessing, classes: int) -> Run:
        wanted = names

        def run(pixels: np.ndarray) -> np.ndarray:
            nonlocal wanted
            prepared = arranged(normalise(pixels, preprocessing).astype(INPUTS[inputs[0].type]), shape)
            step = shape[0] or len(prepared)
            parts = []
            for start in range(0, len(prepared), step):
                part = prepared[start : start + step]
                filled = np.concatenate([part, np.repeat(part[-1:], step - len(part), axis=0)])
                found = dict(zip(wanted, session.run(wanted, {inputs[0].name: filled}), strict=True))
                wanted = [answering(name, found, len(filled), classes)]  # determined once, from the graph's outputs
                parts.append(found[wanted[0]][: len(part)])
            return np.concatenate(parts)

        return run

    opened = OpenedImages(name, "onnx", graph_hash(path), None, None, runner, channels_first(shape)[1:])
    if about is None:
        return opened
    preprocessing = _sized(about[0], opened.size, input_size)
    return replace(opened, labels=readable(about[1]), preprocessing=preprocessing)


def pair_images(
    one: OpenedImages,
    two: OpenedImages,
    mapped: Mapping[str, str] | str | None,
    resize: bool,
    input_size: int | None,
    device: str,
) -> tuple[Pair[ImagePredictor], tuple[ComparedModel, ComparedModel]]:
    """Pair both models, and return their facts.

    Raises:
        DiffError: labels or input sizes differ and no option reconciles them; or neither model records its
            preprocessing.
    """
    a, b = one.name, two.name
    predictors, facts = [], []
    for own, other in ((one, two), (two, one)):
        preprocessing, labels = own.preprocessing or other.preprocessing, own.labels or other.labels
        if preprocessing is None or labels is None:
            raise DiffError(
                f"neither {a} nor {b} says how images are prepared for it, or what its classes are called",
                hint="name a model folder, a run or a Hub id as one of them, or graphs that `hubslice convert` made",
            )
        preprocessing = _sized(preprocessing, own.size, None if own.preprocessing else input_size)
        run = own.runner(preprocessing, len(labels))
        outputs = own.outputs or _recognise(own.name, run, preprocessing.input_size)
        predictors.append(ImagePredictor(own.name, labels, outputs, preprocessing, run))
        facts.append(
            ComparedModel(
                model=own.name,
                kind=own.kind,
                fingerprint=own.fingerprint,
                input_size=preprocessing.input_size,
                outputs=outputs,
                described=own.preprocessing is not None,
            )
        )
    _check_sizes(predictors[0], predictors[1], resize)
    shared = share((a, b), predictors[0].labels, predictors[1].labels, mapped)
    return Pair(predictors[0], predictors[1], shared, IMAGES, CHUNKS[device.partition(":")[0]]), (facts[0], facts[1])


def _check_sizes(a: ImagePredictor, b: ImagePredictor, resize: bool) -> None:
    one, two = a.preprocessing.input_size, b.preprocessing.input_size
    told = f"{a.name} takes images of {_words(one)}, {b.name} of {_words(two)}"
    if one[0] != two[0]:
        raise DiffError(f"{told}: another number of channels", hint="compare models of the same kind of images")
    if one != two and not resize:
        raise DiffError(
            f"{told}: they would not see the same image",
            hint="with --resize the second model gets the first one's images scaled; --input-size PIXELS gives "
            "both the same where they take any",
        )


def _recognise(name: str, run: Run, size: tuple[int, int, int]) -> Outputs:
    """Determine from noise images what a graph outputs, if it does not record it.

    Raises:
        ModelError: it fails.
    """
    noise = np.random.default_rng(0).random((PROBE, *size), np.float32)
    return outputs_of(called(name, run, noise, f"images of {_words(size)}"))


def _words(size: Sequence[int]) -> str:
    return " x ".join(map(str, size))


def _sized(
    preprocessing: Preprocessing, size: tuple[int | None, int | None, int | None], wanted: int | None
) -> Preprocessing:
    """Set the sizes that a graph requires, else the one requested by the user, else its own."""
    from hubslice.modality.image.separate import resized

    own = (preprocessing.input_size[0], *((wanted or side) for side in preprocessing.input_size[1:]))
    fixed = [given or side for given, side in zip(size, own, strict=True)]
    if fixed[0] != own[0]:
        return preprocessing.model_copy(update={"input_size": fixed})  # reported where images are prepared
    return resized(preprocessing, fixed[1], fixed[2])
