"""What was measured of a network."""

from __future__ import annotations

from hubslice.core.artefact import Artefact


class Outcome(Artefact):
    """What the target's logit loses: `drops[layer][method]`, a number for each image."""

    network: str
    images: int
    logit: float  # of the answer, mean over the images
    channels: dict[str, int]  # ablated, by layer
    drops: dict[str, dict[str, tuple[float, ...]]]
    machine: str
