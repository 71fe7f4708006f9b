"""What is to be made of which model, and what the making tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hubslice.artefacts.report import ParityReport
from hubslice.core.progress import Reporter
from hubslice.hub.ref import Ref
from hubslice.models.base import Model
from hubslice.verbs.convert.agreement import Agreement
from hubslice.verbs.convert.params import ConvertParams


@dataclass(frozen=True)
class Job:
    """A model, where it comes from, and the folder to write. What a training needs to go on is kept in `unfinished`."""

    model: Model
    ref: Ref
    folder: Path
    unfinished: Path
    options: ConvertParams
    reporter: Reporter


@dataclass(frozen=True)
class Made:
    """`parameters` and `size` (bytes of the weights, or of the graph) of the form.

    Of a compact model `removed` counts units by the group that they were in, and `whole` are layers that could lose
    none, with the reason; of a graph `parity` tells how close it is to PyTorch; of a form that answers otherwise now
    and then, `agreement` how often. `parameters` of a pruned model are those that are not zero.
    """

    parameters: int
    size: int
    removed: Mapping[str, int] = field(default_factory=dict)
    whole: Mapping[str, str] = field(default_factory=dict)
    parity: ParityReport | None = None
    agreement: Agreement | None = None
