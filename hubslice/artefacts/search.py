"""The history of a search for a slice: the results of its epochs, and which one was kept."""

from __future__ import annotations

from hubslice.core.artefact import Artefact
from hubslice.core.rate import Rate


class SearchEpoch(Artefact):
    """An epoch of the search: whether gates moved, and its final retention and validation accuracy.

    `retention` is a share of the sliceable weights; `network` is the share of the whole network that is left, including
    everything that may not be sliced (None: of a version that did not record it).
    """

    gates: bool
    loss: float
    retention: float
    network: float | None = None
    validation: Rate


class SearchHistory(Artefact):
    """The history of a search.

    `whole` is the best validation accuracy of all weights with a classifier, before any gate moved; `floor` the
    required accuracy; `chosen` the epoch whose gates were kept, from 0.
    """

    whole: float
    floor: float
    epochs: tuple[SearchEpoch, ...]
    chosen: int

    @property
    def result(self) -> SearchEpoch:
        """The chosen epoch."""
        return self.epochs[self.chosen]
