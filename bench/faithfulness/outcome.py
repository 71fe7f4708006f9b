"""What was measured of a network."""

from __future__ import annotations

from hubslice.core.artefact import Artefact


class Outcome(Artefact):
    """What the target's logit loses: `drops[layer][method]`, a number for each picture."""

    network: str
    pictures: int
    logit: float  # of the answer, mean over the pictures
    channels: dict[str, int]  # ablated, by layer
    drops: dict[str, dict[str, tuple[float, ...]]]
    machine: str
