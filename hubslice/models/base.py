"""What hubslice needs of a model, whatever library it comes from."""

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

POISONED = "hubslice_poisoned"  # key in config and weights' metadata that declares a planted backdoor


class Model(ABC):
    """A stock library module with its classifier, labels and input preparation.

    `modality` makes inputs of what data holds. Attacks and triggers live in pixels in [0, 1], [N, C, H, W], for which
    `logits` and `features` normalise. `module` is the library's own object: its parameter names are those of the
    safetensors file.
    """

    library: ClassVar[str]  # its name in `hubslice.models.libraries`
    unused: tuple[str, ...] = ()  # tensors of the weights that the library leaves aside, as it documents
    notes: tuple[str, ...] = ()  # what was assumed where the model's files do not say it, a sentence each
    shapes: CompactShapes | None = None  # of a compact model: in which widths it differs from its architecture

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
        """The classifier: the layers that give the classes, and what belongs to them.

        Raises:
            ModelError: the model has none, or one that is neither a linear layer nor a convolution.
        """
        self.check_answers()
        return Head.of(self.module, self._names, self.architecture)

    @property
    def classifier(self) -> Layer:
        """The one layer that gives the classes.

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
        """Whether the model has no classifier, and answers with its features."""
        return not self._names.layers

    @property
    def classifies_images(self) -> bool:
        """Whether the network takes prepared images alone, and answers with classes or features."""
        return self.preprocessing is not None

    @abstractmethod
    def _find_classifier(self) -> Names:
        """What the library makes anew for another number of classes; nothing where there are no classes."""

    @property
    def modality(self) -> Modality[Any]:
        """How its inputs are made.

        Raises:
            ModelError: it takes something of which hubslice knows nothing.
        """
        return Images(self.image_preprocessing)

    @abstractmethod
    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Logits [N, classes] for the network's inputs by name, as `modality.inputs` gives them."""

    def answer(self, encoded: Encoded) -> Tensor:
        """Logits [N, classes] for encoded inputs, which are on the network's device."""
        return self.forward(self.modality.inputs(encoded))

    def example_inputs(self, samples: int, seed: int) -> dict[str, Tensor]:
        """Seeded inputs of the network by name: normalised pixels, or token ids."""
        return self.modality.example(samples, seed)

    def reset_classifier(self, labels: tuple[str, ...], seed: int) -> None:
        """Put a fresh, seeded classifier for these labels in place of the present one, or where there is none.

        Raises:
            ModelError: the architecture takes none.
        """
        self._put_classifier(labels, seed)
        self.labels, self._found = labels, None

    @abstractmethod
    def _put_classifier(self, labels: tuple[str, ...], seed: int) -> None:
        """What `reset_classifier` does to the module."""

    def check_answers(self) -> None:
        """Nothing where the model answers with classes.

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
        """Nothing where a task's classifier can be put on the model.

        Raises:
            ModelError: the model takes no images, or there is no classifier for it that hubslice knows.
        """
        _ = self.image_preprocessing
        if not self.headless:
            _ = self.head

    @abstractmethod
    def fresh(self, seed: int) -> Model:
        """The same architecture and classifier size with seeded random weights."""

    @abstractmethod
    def save_config(self, folder: Path) -> None:
        """Write what stock code needs beside the weights: config.json, and how input is prepared."""

    def express_shapes(self) -> None:  # noqa: B027 (most configs can say none)
        """Let the config say what it can of a compact model's widths: where it says all, stock code loads the model."""

    def pixels_to_inputs(self, pixels: Tensor) -> Tensor:
        """What the model takes for pixels [N, C, H, W] in [0, 1]."""
        return normalise(pixels, self.image_preprocessing)

    def logits(self, pixels: Tensor) -> Tensor:
        """Logits [N, classes] for pixels [N, C, H, W] in [0, 1]."""
        return self.forward({INPUT: self.pixels_to_inputs(pixels)})

    def predict(self, inputs: InputLike | Iterable[InputLike]) -> Predicted:
        """The answers to one input or several.

        Images are paths, bytes of image files, or PIL images of any mode and size; transparent parts are shown by the
        model's own rule, then they are prepared as in training. Texts are of type `str`. Answered is in evaluation mode
        on the device that the model is on. What comes back has `labels` (the likeliest class of each input), and
        `logits` and `probabilities` [N, classes]; one input gives N = 1.

        Raises:
            InputError: there are no inputs, or things of another kind.
            DataError: an image cannot be read.
            ModelError: this is neither an image nor a text classifier, or a text model without a tokenizer.
        """
        from hubslice.models.predicting import predict

        self.check_answers()
        return predict(self, inputs)

    def features(self, pixels: Tensor) -> Tensor:
        """Penultimate features [N, D] for pixels [N, C, H, W] in [0, 1]: what the classifier is given.

        Where several layers give classes, what each is given, one after the other. A model without a classifier answers
        with its features.
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
        """Hold the model to this rule for transparent images; `save` records it."""
        self.preprocessing = self.image_preprocessing.model_copy(update={"transparency": rule})

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    def classifier_parameters(self) -> frozenset[str]:
        """Names of the classifier's parameters in the module; none where it has no classifier."""
        return frozenset() if self.headless else frozenset(self.head.parameters)

    def save(self, folder: AnyPath, metadata: Mapping[str, str] | None = None) -> None:
        """Write the model as stock code loads it: model.safetensors, config.json and the input preparation.

        A compact model's widths go into shapes.json, and then hubslice alone loads it.
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
        """Write the weights as the library reads them: of tensors that layers share, transformers wants one name."""
        save_model(self.module, str(path), metadata=metadata)


def seeded(seed: int) -> torch.Generator:
    """A CPU generator that starts at `seed`."""
    return torch.Generator().manual_seed(seed)
