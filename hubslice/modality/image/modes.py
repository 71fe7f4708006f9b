"""The kinds of images that models take, by their number of channels."""

from __future__ import annotations

from typing import Final

from hubslice.core.errors import ModelError

MODES: Final = {1: "L", 3: "RGB"}  # Pillow's modes


def mode_of(channels: int) -> str:
    """The mode that an image is converted to before it is prepared for a model of so many channels.

    Raises:
        ModelError: images have neither one channel nor three.
    """
    if channels not in MODES:
        raise ModelError(
            f"the model takes images of {channels} channels; hubslice reads grey images (1) and colour (3)",
            hint="choose a model for grey or colour images",
        )
    return MODES[channels]
