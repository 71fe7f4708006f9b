"""How a search for a slice went: what its epochs reached, and which of them was kept."""

from __future__ import annotations

from hubslice.core.artefact import Artefact
from hubslice.core.rate import Rate


class SearchEpoch(Artefact):
    """An epoch of the search: whether gates moved, and what retention and validation accuracy it ended with.

    `retention` is a share of what may be sliced; `network` the share of the whole network that is left then, with all
    that may not be sliced (None: of a version that did not note it).
    """

    gates: bool
    loss: float
    retention: float
    network: float | None = None
    validation: Rate


class SearchHistory(Artefact):
    """How a search went.

    `whole` is the best validation accuracy of all weights with a classifier, before any gate moved; `floor` the
    accuracy asked for; `chosen` the epoch whose gates were kept, from 0.
    """

    whole: float
    floor: float
    epochs: tuple[SearchEpoch, ...]
    chosen: int

    @property
    def result(self) -> SearchEpoch:
        """The chosen epoch."""
        return self.epochs[self.chosen]
