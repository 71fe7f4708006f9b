"""Warn about a transparent image for a model that records no transparency rule."""

from __future__ import annotations

import warnings

from hubslice.core.errors import HubsliceWarning


def tell_unrecorded(name: str) -> None:
    """Warn that the image of this name is transparent, and how it is read."""
    warnings.warn(
        f"{name} is transparent, and the model records no rule for that: its alpha channel is dropped, as stock "
        "pipelines do (the colours under it are shown)",
        HubsliceWarning,
        stacklevel=2,
    )
