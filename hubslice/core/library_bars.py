"""Progress bars of the libraries. hubslice tells progress itself, so theirs are off, by their public switches.

The command line sets the environment variables before any of them is imported: these hold for what is imported later
and for processes that are started. Functions reach those that are there already.
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
    """Switch off the bars of those libraries that are imported: huggingface_hub with Xet, datasets, transformers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a variable that the user has set is told to go before this
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
    """Keep the bars of all libraries off in the block, of those that are imported in it, too."""
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
