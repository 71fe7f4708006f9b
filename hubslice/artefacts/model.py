"""Facts about a model on disk: its source, architecture and preprocessing."""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

from pydantic import Field, JsonValue, model_validator

from hubslice.core.artefact import Artefact
from hubslice.recipe.transparency import STOCK, Transparency

OWN = "hubslice_"  # prefix of the architectures that hubslice registers with timm

LibraryName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]  # a name in `hubslice.models.libraries`
Side = Annotated[int, Field(ge=1, le=4096)]  # pixels
Channels = Annotated[int, Field(ge=1, le=64)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class FileFact(Artefact):
    """One file of a repository: its path, size in bytes, and the sha256 of its content."""

    path: str
    size: int
    sha256: str


class Preprocessing(Artefact):
    """The preprocessing from an image to the model's input, in two parts.

    The first is geometric and returns 8-bit values [C, H, W] of `input_size`. With `processor`, the settings of a
    transformers image processor, that class does it, and `resize` is "processor". Otherwise timm's transforms do:
    `shortest` (timm's crop mode "center") resizes the shorter side to input / crop_pct and crops the centre, `squash`
    resizes both sides to it, `border` fits the whole image in and pads it with the mean colour.

    The second is arithmetic: pixels p, scaled to [0, 1], become (p - mean) / std, channel by channel, in the order
    `channel_order`. `mean` and `std` are equivalent to everything that the library does to values.

    `transparency` is the model's recorded rule for transparent images; None: not recorded.
    """

    input_size: tuple[Channels, Side, Side]  # channels, height, width
    mean: tuple[Finite, ...] = Field(min_length=1)  # in the order of the image's channels
    std: tuple[Positive, ...] = Field(min_length=1)
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]
    crop_pct: Annotated[float, Field(ge=0.05, le=20)] = 1.0
    resize: Literal["shortest", "squash", "border", "processor"]
    channel_order: Literal["rgb", "bgr"] = "rgb"
    processor: dict[str, JsonValue] | None = None
    transparency: Transparency | None = None

    @property
    def shown(self) -> Transparency:
        """The rule for transparent images: the recorded one, else that of stock pipelines."""
        return self.transparency or STOCK

    @property
    def way(self) -> str:
        """How pixels are resized, in a few words."""
        if self.processor is not None:
            return f"by {self.processor['image_processor_type']}"
        return f"{self.resize}, crop {self.crop_pct:g}"

    @model_validator(mode="after")
    def _channels(self) -> Preprocessing:
        for numbers in (self.mean, self.std):
            if len(numbers) not in (1, self.input_size[0]):
                raise ValueError(f"{len(numbers)} means or deviations for {self.input_size[0]} channels")
        if (self.processor is None) == (self.resize == "processor"):
            raise ValueError("an image processor resizes if and only if its settings are given")
        if self.processor is not None and not isinstance(self.processor.get("image_processor_type"), str):
            raise ValueError("the settings of an image processor lack its image_processor_type")
        return self


class ModelFacts(Artefact):
    """Facts about a model determined by `hubslice pull`.

    `model` is the name that the user requested; `repo_id` and `commit` pin it on the Hub and are None for a local
    folder. `poisoned` means that the weights' metadata or the config declare a planted backdoor. `pickles` are the
    files that the weights, with the user's consent, were converted from; `unused` the tensors that the architecture
    ignores; `notes` the assumptions made where the model's files have no value. A model without `labels` has no
    classifier. `random_seed` is that of random weights, if no trained ones were requested.
    """

    model: str
    repo_id: str | None
    commit: str | None
    library: LibraryName
    architecture: str
    parameters: int
    labels: tuple[str, ...]
    preprocessing: Preprocessing | None  # None: not an image model
    license: str | None
    poisoned: bool
    files: tuple[FileFact, ...]
    pickles: tuple[FileFact, ...] = ()
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    random_seed: int | None = None

    @property
    def stock(self) -> bool:
        """Whether the library has the architecture itself, without hubslice."""
        return not self.architecture.startswith(OWN)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What users should know about how the model was read, one sentence each."""
        return remarks_on(self)


class Read(Protocol):
    """Facts about reading a model."""

    @property
    def architecture(self) -> str: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def preprocessing(self) -> Preprocessing | None: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def unused(self) -> tuple[str, ...]: ...


def remarks_on(model: Read) -> tuple[str, ...]:
    """Return what users should know about how a model was read, one sentence each."""
    found = list(model.notes)
    if model.unused:
        found.append(f"{model.architecture} has no use for {len(model.unused)} tensors, such as {model.unused[0]}")
    if model.preprocessing is not None and not model.labels:
        found.append("the weights have no classifier: the model answers with features, and students learn a new one")
    return tuple(found)
