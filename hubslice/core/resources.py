"""Find the files shipped with hubslice: built-in recipes and card templates."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from hubslice.core.errors import HubsliceError

_PACKAGE = Path(__file__).parents[1]


def resource_folder(name: Literal["recipes", "cards"]) -> Path:
    """Return the folder inside the installed package, or the one at the top of a source checkout.

    Raises:
        HubsliceError: the installation lacks the folder.
    """
    for folder in (_PACKAGE / "_resources" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise HubsliceError(
        f"this installation of hubslice lacks its {name}", hint="pip install --force-reinstall hubslice"
    )
