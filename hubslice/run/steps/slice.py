"""What every step that makes a slice has in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from hubslice.engine.step import Step
from hubslice.files.names import SLICE

if TYPE_CHECKING:
    from hubslice.artefacts.slice import Slice


@dataclass(frozen=True, kw_only=True)
class SliceStep(Step):
    """A slice in `slice.safetensors`; `arm` is the arm's title."""

    kind: ClassVar[str] = "slice"
    free: ClassVar[frozenset[str]] = frozenset({"arm"})

    arm: str

    def open(self, folder: Path) -> Slice:
        """The slice."""
        from hubslice.artefacts.slice import Slice

        return Slice.load(folder / SLICE)
