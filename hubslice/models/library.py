"""What hubslice knows of a library whose models it takes; neither the library nor torch is imported by that."""

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
    """How models of a library are made; `config` is a config.json, and `input_size` in pixels a square input's side."""

    def load(
        self,
        folder: Path,
        config: dict[str, Any],
        input_size: int | None,
        held: Shapes,
        tensors: Mapping[str, Tensor] | None = None,
    ) -> Model:
        """The model in a folder, whose safetensors files hold `held`, or with `tensors` on the meta device so named."""

    def random(self, folder: Path, config: dict[str, Any], input_size: int | None, budget: Budget) -> Model:
        """The architecture of a folder's config.json with random weights, no larger than the budget."""

    def from_architecture(
        self, architecture: str, labels: tuple[str, ...], input_size: int | None, *, seed: int, **arguments: Any
    ) -> Model:
        """An architecture by its name, with seeded random weights."""


@dataclass(frozen=True)
class Lines:
    """Python that loads a model and answers one image, as cards show it and `verify` runs it.

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
    """A library: by which `entries` of a config.json its models are known, and what it does with them by itself.

    `prefix` is what recipes put before its architectures, `files` are those that it reads beside weights and
    config.json.
    """

    name: ClassVar[str]
    entries: ClassVar[frozenset[str]]
    lines: ClassVar[Lines]
    prefix: ClassVar[str] = ""
    files: ClassVar[tuple[str, ...]] = ()
    fits_positions: ClassVar[bool] = False  # loading fits position embeddings to another input size

    @abstractmethod
    def adapter(self) -> Adapter:
        """How hubslice makes its models; the library itself is imported by it."""

    @abstractmethod
    def stock(self, folder: Path) -> nn.Module:
        """The network in a folder as the library loads it, without hubslice."""

    def named(self, network: nn.Module, tensors: Mapping[str, Tensor], source: Path) -> dict[str, Tensor]:
        """Those of the tensors that the library takes for a network, by the network's names.

        `source` is where they come from.

        Raises:
            ModelError: the library cannot take them.
        """
        return dict(tensors)
