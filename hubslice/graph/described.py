"""Read the metadata of graphs that `hubslice convert` created."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from hubslice.artefacts.model import Preprocessing


def described(metadata: Mapping[str, str]) -> tuple[Preprocessing, tuple[str, ...]] | None:
    """Return the graph's preprocessing and class names; None if one of them is missing."""
    try:
        labels: Any = json.loads(metadata["labels"])
        return Preprocessing.model_validate_json(metadata["preprocessing"]), tuple(map(str, labels))
    except (KeyError, TypeError, ValueError, ValidationError):
        return None
