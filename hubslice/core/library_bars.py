"""Switch off the progress bars of libraries, by their public settings; hubslice reports progress itself.

The command line sets the environment variables before any of the libraries is imported: these apply to later imports
and to child processes. The functions apply to libraries that are already imported.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SWITCHES: Final = ("HF_HUB_DISABLE_PROGRESS_BARS", "HF_DATASETS_DISABLE_PROGRESS_BARS", "TQDM_DISABLE")


def hide_bars() -> None:
    """Switch off the bars of the libraries imported so far: huggingface_hub with Xet, datasets, transformers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the libraries warn that a variable set by the user takes precedence
        if "huggingface_hub" in sys.modules:
            from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

            disable_progress_bars()
        if "datasets" in sys.modules:
            import datasets

            datasets.disable_progress_bars()
        if "transformers" in sys.modules:
            import transformers

            transformers.utils.logging.disable_progress_bar()


@contextmanager
def bars_hidden() -> Iterator[None]:
    """Switch off the progress bars of all libraries inside the block, including those imported in it."""
    before = {name: os.environ.get(name) for name in SWITCHES}
    os.environ.update(dict.fromkeys(SWITCHES, "1"))
    hide_bars()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
