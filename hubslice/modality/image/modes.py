"""Image modes by number of input channels."""

from __future__ import annotations

from typing import Final

from hubslice.core.errors import ModelError

MODES: Final = {1: "L", 3: "RGB"}  # Pillow's modes


def mode_of(channels: int) -> str:
    """Return the mode that images are converted to for a model with that many input channels.

    Raises:
        ModelError: the number of channels is neither one nor three.
    """
    if channels not in MODES:
        raise ModelError(
            f"the model takes images of {channels} channels; hubslice reads grey images (1) and colour (3)",
            hint="choose a model for grey or colour images",
        )
    return MODES[channels]
