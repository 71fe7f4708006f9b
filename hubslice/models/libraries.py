"""The libraries whose models hubslice takes: the one place that lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

from torch import Tensor

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
        self, name: str, labels: tuple[str, ...], input_size: int | None, *, seed: int, **arguments: Any
    ) -> Model:
        """An architecture by its name, with seeded random weights."""


@dataclass(frozen=True)
class Library:
    """A library: by which `entries` of a config.json its models are known, and what its architectures begin with."""

    name: str
    module: str
    kind: str
    entries: frozenset[str]
    prefix: str = ""

    def adapter(self) -> Adapter:
        """Its adapter; the library itself is imported by it."""
        adapter: Adapter = getattr(import_module(self.module), self.kind)
        return adapter


# The first that fits counts.
LIBRARIES: Final = (
    Library("timm", "hubslice.models.timm_adapter", "TimmModel", frozenset({"architecture"})),
    Library(
        "transformers",
        "hubslice.models.transformers_adapter",
        "TransformersModel",
        frozenset({"architectures", "model_type"}),
        "transformers:",
    ),
)


def library_of(config: Mapping[str, Any]) -> Library | None:
    """The library of a config.json; None where it names no architecture."""
    return next((library for library in LIBRARIES if library.entries & config.keys()), None)


def library_named(architecture: str) -> tuple[Library, str]:
    """The library of an architecture that a recipe names, and what that calls it."""
    known = sorted(LIBRARIES, key=lambda library: len(library.prefix), reverse=True)
    library = next(library for library in known if architecture.startswith(library.prefix))
    return library, architecture.removeprefix(library.prefix)
