"""Input and output of a conversion."""

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
    """A model, its source, and the folder to write. The state of an unfinished training is stored in `unfinished`."""

    model: Model
    ref: Ref
    folder: Path
    unfinished: Path
    options: ConvertParams
    reporter: Reporter


@dataclass(frozen=True)
class Made:
    """`parameters` and `size` (bytes of the weights, or of the graph) of the result.

    For a compact model `removed` counts units by their group, and `whole` are layers that could not lose any, with the
    reason; for a graph `parity` is its difference to PyTorch; for a form whose predictions may differ, `agreement`
    counts equal ones. `parameters` of a pruned model are those that are not zero.
    """

    parameters: int
    size: int
    removed: Mapping[str, int] = field(default_factory=dict)
    whole: Mapping[str, str] = field(default_factory=dict)
    parity: ParityReport | None = None
    agreement: Agreement | None = None
