"""What the weights alone reveal about a model's ancestry, as artefacts."""

from __future__ import annotations

from typing import Literal

from hubslice.core.artefact import Artefact

Verdict = Literal["descendant", "unrelated", "not comparable"]


class LayerLikeness(Artefact):
    """A layer of the model compared with the most similar one of the candidate.

    `correlation` is that of weights at `positions` positions; `null` is its standard deviation for wrongly paired rows.
    `aligned`: channels were matched first.
    """

    layer: str
    candidate: str
    shape: tuple[int, ...]
    correlation: float
    null: float
    positions: int
    aligned: bool = False


class Comparison(Artefact):
    """A candidate: `descendant` if `score` reaches `threshold`.

    The score is symmetric: it is high for a parent, a child and a sibling alike. `compared` is the share of the model's
    weights in layers with a counterpart. Two models without enough of them are not comparable and have no score.
    `closeness` is the score over only those layers that all descendants among the candidates share, by which they are
    ranked: a head that only one of them has does not show which is closer. `identical`: all values that were compared
    are equal. `unread`: why the candidate has no layer that could be compared.
    """

    candidate: str
    verdict: Verdict
    score: float | None
    threshold: float | None
    closeness: float | None = None
    identical: bool = False
    unread: str | None = None
    compared: float
    layers: tuple[LayerLikeness, ...]
    bytes_read: int
    bytes_whole: int
    seconds: float


class Lineage(Artefact):
    """All candidates, the closest descendants first, then by score; `skipped`: why some could not be read.

    `unknown`: why nothing can be said about the model's ancestry; None if anything could be compared.
    """

    model: str
    index: str | None
    searched: int
    candidates: tuple[Comparison, ...]
    skipped: dict[str, str]
    unknown: str | None = None
    bytes_read: int
    seconds: float

    @property
    def parent(self) -> str | None:
        """The candidate that is most similar to the model, if it descends from any."""
        found = self.candidates[0] if self.candidates else None
        return found.candidate if found is not None and found.verdict == "descendant" else None


class Indexed(Artefact):
    """An index of fingerprints that was just created."""

    file: str
    models: tuple[str, ...]
    skipped: dict[str, str]
    bytes: int
    bytes_read: int
    seconds: float
