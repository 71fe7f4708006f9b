"""Base class of the steps that make a slice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from hubslice.core.cost import Cost, Workload
from hubslice.engine.step import Step
from hubslice.files.names import SLICE
from hubslice.recipe.slicing import Method

if TYPE_CHECKING:
    from hubslice.artefacts.slice import Slice


@dataclass(frozen=True, kw_only=True)
class SliceStep(Step):
    """A slice in `slice.safetensors`, made by the method `slicing`; `arm` is the arm's title."""

    kind: ClassVar[str] = "slice"
    free: ClassVar[frozenset[str]] = frozenset({"arm"})

    arm: str
    slicing: Method

    def cost(self, work: Workload) -> Cost:
        return self.slicing.cost(work)

    def open(self, folder: Path) -> Slice:
        """Return the slice."""
        from hubslice.artefacts.slice import Slice

        return Slice.load(folder / SLICE)
