"""The rule for transparent images in a model's config.json: a key of hubslice, which the stock libraries pass over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from hubslice.artefacts.model import Preprocessing
from hubslice.errors import ModelError
from hubslice.recipe.transparency import Transparency

KEY = "hubslice_transparency"


def with_recorded(preprocessing: Preprocessing | None, config: Mapping[str, Any], where: Path) -> Preprocessing | None:
    """The preparation with the rule that the config.json in `where` records, if it records one.

    Raises:
        ModelError: it records one that this hubslice does not know.
    """
    rule = config.get(KEY)
    if rule is None or preprocessing is None:
        return preprocessing
    known = get_args(Transparency)
    if rule not in known:
        raise ModelError(
            f"{where}: config.json has {KEY}: {str(rule)[:80]!r}; known are {', '.join(known)}",
            hint="upgrade hubslice, or mend config.json",
        )
    return preprocessing.model_copy(update={"transparency": rule})


def record(folder: Path, preprocessing: Preprocessing | None) -> None:
    """Write the rule into the folder's config.json, or take away that of the model which the config comes from."""
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    rule = preprocessing.transparency if preprocessing is not None else None
    if config.get(KEY) == rule:
        return
    config.pop(KEY, None)
    if rule is not None:
        config[KEY] = rule
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
