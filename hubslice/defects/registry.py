"""The registry of defects that an audit can measure; other packages may add more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from hubslice.defects.backdoor import Backdoor
from hubslice.defects.base import Defect
from hubslice.defects.penultimate import Penultimate
from hubslice.recipe.defects import BackdoorParams, DefectParams, PenultimateParams


@dataclass(frozen=True)
class DefectEntry:
    """A defect: its name in recipes, title, publication, parameter type and measuring class."""

    kind: str
    title: str
    reference: str
    params: type[Any]
    defect: type[Any]


DEFECTS: Final = (
    DefectEntry(Backdoor.kind, Backdoor.title, Backdoor.reference, BackdoorParams, Backdoor),
    DefectEntry(Penultimate.kind, Penultimate.title, Penultimate.reference, PenultimateParams, Penultimate),
)


def make_defect(params: DefectParams) -> Defect:
    """Return the defect for these parameters."""
    entry = next((entry for entry in DEFECTS if entry.kind == params.kind), None)
    defect: Defect = params.make() if entry is None else entry.defect(params)
    return defect
