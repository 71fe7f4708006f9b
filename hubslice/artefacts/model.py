"""Facts about a model on disk: where it came from, what it is, how its input is prepared."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hubslice.artefacts.base import Artefact
from hubslice.recipe.transparency import STOCK, Transparency

OWN = "hubslice_"  # begins the names of architectures that hubslice registers with timm

Side = Annotated[int, Field(ge=1, le=4096)]  # pixels
Channels = Annotated[int, Field(ge=1, le=64)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class FileFact(Artefact):
    """One file of a repository: path within it, size in bytes, sha256 of its content."""

    path: str
    size: int
    sha256: str


class Preprocessing(Artefact):
    """From a picture to the model's input.

    The picture is resized, its centre cropped, scaled to [0, 1] and normalised channel by channel. `shortest` resizes
    the shorter side to input / crop_pct and keeps the aspect ratio; `squash` resizes both sides to it.
    `transparency` is what the model records of transparent images; None: nothing.
    """

    input_size: tuple[Channels, Side, Side]  # channels, height, width
    mean: tuple[Finite, ...] = Field(min_length=1)
    std: tuple[Positive, ...] = Field(min_length=1)
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"]
    crop_pct: Annotated[float, Field(ge=0.05, le=20)]
    resize: Literal["shortest", "squash"]
    transparency: Transparency | None = None

    @property
    def shown(self) -> Transparency:
        """The rule for transparent images: the recorded one, else that of stock pipelines."""
        return self.transparency or STOCK

    @model_validator(mode="after")
    def _channels(self) -> Preprocessing:
        for numbers in (self.mean, self.std):
            if len(numbers) not in (1, self.input_size[0]):
                raise ValueError(f"{len(numbers)} means or deviations for {self.input_size[0]} channels")
        return self


class ModelFacts(Artefact):
    """What `hubslice pull` finds out about a model.

    `model` is what the user asked for; `repo_id` and `commit` pin it on the Hub and are None for a local folder.
    `poisoned` tells that the weights' metadata or the config declare a planted backdoor. `pickles` are the files that
    the weights, with the user's consent, were converted from; `unused` the tensors that the architecture leaves aside.
    `random_seed` is that of weights that were drawn here, where no trained ones were asked for.
    """

    model: str
    repo_id: str | None
    commit: str | None
    library: Literal["timm", "transformers"]
    architecture: str
    parameters: int
    labels: tuple[str, ...]
    preprocessing: Preprocessing | None  # None: not an image model
    license: str | None
    poisoned: bool
    files: tuple[FileFact, ...]
    pickles: tuple[FileFact, ...] = ()
    unused: tuple[str, ...] = ()
    random_seed: int | None = None

    @property
    def stock(self) -> bool:
        """Whether timm or transformers know the architecture by themselves, without hubslice."""
        return not self.architecture.startswith(OWN)
