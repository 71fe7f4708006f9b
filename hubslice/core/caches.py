"""Where models and data are kept once they were fetched, and which variable moves each of these folders."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class CacheFolder(NamedTuple):
    """A cache: whose it is, its folder, and the variable that moves it; `now` tells what that holds."""

    of: str
    folder: Path
    variable: str
    now: str


# Module and attribute of the folder, as it was imported; whose it is; what moves it: of these variables the first set.
_KNOWN = (
    ("huggingface_hub.constants", "HF_HUB_CACHE", "the Hub", ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME")),
    ("huggingface_hub.constants", "HF_XET_CACHE", "the Hub", ("HF_XET_CACHE", "HF_HOME")),
    ("huggingface_hub.constants", "HF_ASSETS_CACHE", "the Hub", ("HF_ASSETS_CACHE", "HF_HOME")),
    ("datasets.config", "HF_DATASETS_CACHE", "data sets", ("HF_DATASETS_CACHE", "HF_HOME")),
    ("datasets.config", "HF_MODULES_CACHE", "data sets", ("HF_MODULES_CACHE", "HF_HOME")),
)


def caches() -> Iterator[CacheFolder]:
    """All caches that this process may write; what nobody has imported writes none."""
    for module, attribute, of, variables in _KNOWN:
        value = getattr(sys.modules.get(module), attribute, None)
        if value is None:
            continue
        variable = next((name for name in variables if name in os.environ), variables[-1])
        yield CacheFolder(of, Path(value).expanduser().absolute(), variable, _now(variable))
    if own := os.environ.get("HUBSLICE_CACHE"):
        yield CacheFolder("hubslice", Path(own).expanduser().absolute(), "HUBSLICE_CACHE", _now("HUBSLICE_CACHE"))


def _now(variable: str) -> str:
    value = os.environ.get(variable)
    if value is None:
        return ""
    return f"; it is {value}" if value else "; it is set to nothing, which means the working directory"
