"""Descriptions of supported model libraries; importing them imports neither the library nor torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn

    from hubslice.models.base import Model
    from hubslice.models.building import Budget
    from hubslice.models.weights import Shapes


class Adapter(Protocol):
    """Creates models of a library; `config` is a config.json, `input_size` in pixels the side of a square input."""

    def load(
        self,
        folder: Path,
        config: dict[str, Any],
        input_size: int | None,
        held: Shapes,
        tensors: Mapping[str, Tensor] | None = None,
    ) -> Model:
        """Load the model of a folder whose safetensors files contain `held`.

        If given, `tensors` on the meta device are used instead of those in the files.
        """

    def random(self, folder: Path, config: dict[str, Any], input_size: int | None, budget: Budget) -> Model:
        """Return the architecture of a folder's config.json with random weights, no larger than the budget."""

    def from_architecture(
        self, architecture: str, labels: tuple[str, ...], input_size: int | None, *, seed: int, **arguments: Any
    ) -> Model:
        """Return an architecture by its name, with seeded random weights."""


@dataclass(frozen=True)
class Lines:
    """Python code that loads a model and classifies one image, shown on cards and run by `verify`.

    `setup` has the place {home}: a string literal with the model's id on the Hub behind `hub`, or with its folder
    behind `local`. `answer` has {image}, the literal of an image's path, and may have {read}: lines that open that path
    as the Pillow image `image`. Braces of Python's own are doubled in both. Afterwards the expression `result` gives
    the probabilities, a tensor [classes]. `exception` says where the library shows transparent parts of images
    otherwise, `remark` is told beside the lines.
    """

    setup: str
    answer: str
    result: str = "probabilities"
    hub: str = ""
    local: str = ""
    exception: str = ""
    remark: str = "Greys of 16 bits are to be scaled to 8 beforehand: Pillow would cut them off as white."


class Library(ABC):
    """A library: the `entries` of a config.json that identify its models, and its own loading behaviour.

    `prefix` precedes its architectures in recipes, `files` are those that it reads besides weights and config.json.
    """

    name: ClassVar[str]
    entries: ClassVar[frozenset[str]]
    lines: ClassVar[Lines]
    prefix: ClassVar[str] = ""
    files: ClassVar[tuple[str, ...]] = ()
    fits_positions: ClassVar[bool] = False  # loading resizes position embeddings to another input size

    @abstractmethod
    def adapter(self) -> Adapter:
        """Return the adapter that creates its models; this imports the library."""

    @abstractmethod
    def stock(self, folder: Path) -> nn.Module:
        """Load the network of a folder with the library alone, without hubslice."""

    def named(self, network: nn.Module, tensors: Mapping[str, Tensor], source: Path) -> dict[str, Tensor]:
        """Return the tensors that the library would load into a network, by the network's names.

        `source` is where they come from.

        Raises:
            ModelError: the library cannot load them.
        """
        return dict(tensors)
