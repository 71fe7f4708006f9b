"""The interface to models, independent of their library."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from safetensors.torch import save_model
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from hubslice.artefacts.model import Preprocessing
from hubslice.core.artefact import whole_file
from hubslice.core.errors import ModelError
from hubslice.core.paths import AnyPath, as_path
from hubslice.files.names import SHAPES, WEIGHTS
from hubslice.files.tensor_writing import sort_header
from hubslice.modality.image.arithmetic import normalise
from hubslice.modality.image.images import INPUT, Images
from hubslice.modality.modality import Encoded, Modality
from hubslice.models.head import Head, Layer, Names
from hubslice.models.recording import record
from hubslice.models.shapes import CompactShapes
from hubslice.recipe.transparency import Transparency

if TYPE_CHECKING:
    from hubslice.models.predicting import InputLike, Predicted

POISONED = "hubslice_poisoned"  # key in config and weight metadata that declares a planted backdoor


class Model(ABC):
    """A module of a stock library with its classifier, labels and preprocessing.

    `modality` converts raw data to inputs. Attacks and triggers work on pixels in [0, 1], [N, C, H, W], which `logits`
    and `features` normalise. `module` is the library's own object: its parameter names are those of the safetensors
    file.
    """

    library: ClassVar[str]  # a name in `hubslice.models.libraries`
    unused: tuple[str, ...] = ()  # tensors of the weights that the library ignores, as documented
    notes: tuple[str, ...] = ()  # assumptions made where the model's files have no value, one sentence each
    shapes: CompactShapes | None = None  # of a compact model: the widths that differ from its architecture

    def __init__(
        self,
        module: nn.Module,
        *,
        architecture: str,
        labels: tuple[str, ...],
        preprocessing: Preprocessing | None,
        poisoned: bool = False,
    ) -> None:
        self.module = module
        self.architecture = architecture
        self.labels = labels
        self.preprocessing = preprocessing
        self.poisoned = poisoned
        self._found: Names | None = None

    @property
    def head(self) -> Head:
        """The classifier: the layers that output the classes, and the tensors that belong to them.

        Raises:
            ModelError: there is none, or it is neither a linear layer nor a convolution.
        """
        self.check_answers()
        return Head.of(self.module, self._names, self.architecture)

    @property
    def classifier(self) -> Layer:
        """The single layer that outputs the classes.

        Raises:
            ModelError: the model has none, or several.
        """
        layers = self.head.layers
        if len(layers) > 1:
            raise ModelError(
                f"the classes of {self.architecture} come from {len(layers)} layers: {', '.join(layers)}",
                hint="choose a classifier with one last layer",
            )
        return next(iter(layers.values()))

    @property
    def _names(self) -> Names:
        if self._found is None:
            self._found = self._find_classifier()
        return self._found

    @property
    def headless(self) -> bool:
        """Whether the model has no classifier and returns features."""
        return not self._names.layers

    @property
    def classifies_images(self) -> bool:
        """Whether the network takes only prepared images and returns classes or features."""
        return self.preprocessing is not None

    @abstractmethod
    def _find_classifier(self) -> Names:
        """Return what the library replaces for another number of classes; empty if there are no classes."""

    @property
    def modality(self) -> Modality[Any]:
        """How raw data becomes the model's inputs.

        Raises:
            ModelError: hubslice does not support the model's kind of input.
        """
        if self.preprocessing is None:
            raise ModelError(
                f"{self.architecture} takes neither images nor texts that hubslice can prepare",
                hint="name a classifier of images, or one of texts with its tokenizer beside it",
            )
        return Images(self.preprocessing)

    @property
    def exclusive(self) -> bool:
        """Whether exactly one class applies to an input; otherwise each class is decided on its own."""
        return True

    @abstractmethod
    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return logits [N, classes] for the network's inputs by name, as returned by `modality.inputs`."""

    def answer(self, encoded: Encoded) -> Tensor:
        """Return logits [N, classes] for encoded inputs on the network's device."""
        return self.forward(self.modality.inputs(encoded))

    def example_inputs(self, samples: int, seed: int) -> dict[str, Tensor]:
        """Return seeded synthetic inputs of the network by name: normalised pixels, or token ids."""
        return self.modality.example(samples, seed)

    def reset_classifier(self, labels: tuple[str, ...], seed: int) -> None:
        """Replace the classifier, or add one, with a new, seeded one for these labels.

        Raises:
            ModelError: the architecture does not support one.
        """
        self._put_classifier(labels, seed)
        self.labels, self._found = labels, None

    @abstractmethod
    def _put_classifier(self, labels: tuple[str, ...], seed: int) -> None:
        """Replace the classifier of the module, for `reset_classifier`."""

    def check_answers(self) -> None:
        """Check that the model returns classes.

        Raises:
            ModelError: it has no classifier.
        """
        if self.headless:
            raise ModelError(
                f"{self.architecture} has no classifier in these weights: it answers with its features",
                hint="a classifier is put on by `hubslice slice` (slice.reuse: transfer); for anything else choose a "
                "model fine-tuned for classification",
            )

    def check_sliceable(self) -> None:
        """Check that the model can get a task's classifier.

        Raises:
            ModelError: the model does not take images, or hubslice supports no classifier for it.
        """
        _ = self.image_preprocessing
        if not self.headless:
            _ = self.head

    @abstractmethod
    def fresh(self, seed: int) -> Model:
        """Return the same architecture and classifier size with seeded random weights."""

    @abstractmethod
    def save_config(self, folder: Path) -> None:
        """Write what stock code needs beside the weights: config.json and the preprocessing."""

    def express_shapes(self) -> None:  # noqa: B027 (most configs can say none)
        """Express a compact model's widths in its config; if it can express all of them, stock code loads the model."""

    def pixels_to_inputs(self, pixels: Tensor) -> Tensor:
        """Convert pixels [N, C, H, W] in [0, 1] to the model's input."""
        return normalise(pixels, self.image_preprocessing)

    def logits(self, pixels: Tensor) -> Tensor:
        """Return logits [N, classes] for pixels [N, C, H, W] in [0, 1]."""
        return self.forward({INPUT: self.pixels_to_inputs(pixels)})

    def predict(self, inputs: InputLike | Iterable[InputLike]) -> Predicted:
        """Predict one input or several.

        Images are paths, bytes of image files, or PIL images of any mode and size; transparent parts are shown by the
        model's own rule, then the images are prepared as in training. Texts are of type `str`. The model runs in
        evaluation mode on its current device. The result has `labels` (the likeliest class of each input), and `logits`
        and `probabilities` [N, classes]; one input gives N = 1.

        Raises:
            InputError: there are no inputs, or inputs of another kind.
            DataError: an image cannot be read.
            ModelError: this is neither an image nor a text classifier, or a text model without a tokenizer.
        """
        from hubslice.models.predicting import predict

        self.check_answers()
        return predict(self, inputs)

    def features(self, pixels: Tensor) -> Tensor:
        """Return penultimate features [N, D] for pixels [N, C, H, W] in [0, 1]: the input of the classifier.

        If several layers output classes, their inputs are concatenated. A model without a classifier returns its
        output.
        """
        if self.headless:
            return self.logits(pixels).flatten(1)
        layers, seen = self.head.layers, dict[str, Tensor]()

        def watch(path: str, layer: nn.Module) -> RemovableHandle:
            return layer.register_forward_pre_hook(lambda _, args: seen.update({path: args[0]}))

        handles = [watch(path, layer) for path, layer in layers.items()]
        try:
            self.logits(pixels)
        finally:
            for handle in handles:
                handle.remove()
        return torch.cat([seen[path].flatten(1) for path in layers], dim=1)

    @property
    def image_preprocessing(self) -> Preprocessing:
        """The preprocessing of an image model.

        Raises:
            ModelError: this is not an image model.
        """
        if self.preprocessing is None:
            raise ModelError(
                f"{self.architecture} is not an image model; tasks are image classification so far",
                hint="name an image classification model as the teacher",
            )
        return self.preprocessing

    def show_transparent(self, rule: Transparency) -> None:
        """Set this rule for transparent images; `save` records it."""
        self.preprocessing = self.image_preprocessing.model_copy(update={"transparency": rule})

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    def classifier_parameters(self) -> frozenset[str]:
        """Names of the classifier's parameters in the module; empty if it has no classifier."""
        return frozenset() if self.headless else frozenset(self.head.parameters)

    def save(self, folder: AnyPath, metadata: Mapping[str, str] | None = None) -> None:
        """Write the model in the stock library's format: model.safetensors, config.json and the preprocessing.

        A compact model's widths are written to shapes.json; then only hubslice can load it.
        """
        folder = as_path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        about = {"format": "pt", **(metadata or {})}
        if self.poisoned:
            about[POISONED] = "true"
        self.module.to(memory_format=torch.contiguous_format)
        self.save_config(folder)
        record(folder, self.preprocessing)
        if self.shapes is None:
            (folder / SHAPES).unlink(missing_ok=True)
        else:
            self.shapes.save(folder / SHAPES)
        with whole_file(folder / WEIGHTS) as draft:
            self._write_weights(draft, about)
            sort_header(draft)

    def _write_weights(self, path: Path, metadata: dict[str, str]) -> None:
        """Write the weights as the library reads them; transformers expects tied tensors under one name only."""
        save_model(self.module, str(path), metadata=metadata)


def seeded(seed: int) -> torch.Generator:
    """Return a CPU generator seeded with `seed`."""
    return torch.Generator().manual_seed(seed)
