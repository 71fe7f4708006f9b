"""How a search for a slice went: what its epochs reached, and which of them was kept."""

from __future__ import annotations

from hubslice.artefacts.base import Artefact
from hubslice.artefacts.rate import Rate


class SearchEpoch(Artefact):
    """An epoch of the search: whether gates moved, and what retention and validation accuracy it ended with."""

    gates: bool
    loss: float
    retention: float
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
