"""Folders in which models and datasets are cached, and the environment variable that moves each of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class CacheFolder(NamedTuple):
    """A cache: its owner, its folder, and the variable that moves it; `now` is the variable's current value."""

    of: str
    folder: Path
    variable: str
    now: str


# Module and attribute that hold the folder; the cache's owner; the variables that move it, of which the first one set
# applies.
_KNOWN = (
    ("huggingface_hub.constants", "HF_HUB_CACHE", "the Hub", ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME")),
    ("huggingface_hub.constants", "HF_XET_CACHE", "the Hub", ("HF_XET_CACHE", "HF_HOME")),
    ("huggingface_hub.constants", "HF_ASSETS_CACHE", "the Hub", ("HF_ASSETS_CACHE", "HF_HOME")),
    ("datasets.config", "HF_DATASETS_CACHE", "data sets", ("HF_DATASETS_CACHE", "HF_HOME")),
    ("datasets.config", "HF_MODULES_CACHE", "data sets", ("HF_MODULES_CACHE", "HF_HOME")),
)


def caches() -> Iterator[CacheFolder]:
    """Yield all caches that this process may write; the caches of libraries that are not imported are left out."""
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
