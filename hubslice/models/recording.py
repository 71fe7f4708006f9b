"""Record the rule for transparent images in a model's config.json, under a key that stock libraries ignore."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from hubslice.artefacts.model import Preprocessing
from hubslice.artefacts.report import Report
from hubslice.core.errors import ModelError, RunError
from hubslice.files.names import REPORT
from hubslice.recipe.transparency import Transparency

KEY = "hubslice_transparency"


def with_recorded(preprocessing: Preprocessing | None, config: Mapping[str, Any], where: Path) -> Preprocessing | None:
    """Return the preprocessing with the rule recorded in the config.json in `where`, if there is one.

    Students from versions of hubslice without this record have a report, which determines the rule.

    Raises:
        ModelError: the recorded rule is unknown to this version of hubslice.
    """
    if preprocessing is None:
        return None
    rule = config.get(KEY) or _reported(where / REPORT)
    if rule is None:
        return preprocessing
    known = get_args(Transparency)
    if rule not in known:
        raise ModelError(
            f"{where}: config.json has {KEY}: {str(rule)[:80]!r}; known are {', '.join(known)}",
            hint="upgrade hubslice, or mend config.json",
        )
    return preprocessing.model_copy(update={"transparency": rule})


def _reported(report: Path) -> Transparency | None:
    try:
        return Report.load(report).task.shown
    except RunError:  # there is no report, or not one of hubslice
        return None


def record(folder: Path, preprocessing: Preprocessing | None) -> None:
    """Write the rule to the folder's config.json, or remove the rule copied from the original model's config."""
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    rule = preprocessing.transparency if preprocessing is not None else None
    if config.get(KEY) == rule:
        return
    config.pop(KEY, None)
    if rule is not None:
        config[KEY] = rule
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
