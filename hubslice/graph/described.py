"""What graphs that `hubslice convert` made say about themselves in their metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from hubslice.artefacts.model import Preprocessing


def described(metadata: Mapping[str, str]) -> tuple[Preprocessing, tuple[str, ...]] | None:
    """How images are prepared for the graph and what its classes are called; None where it does not say both."""
    try:
        labels: Any = json.loads(metadata["labels"])
        return Preprocessing.model_validate_json(metadata["preprocessing"]), tuple(map(str, labels))
    except (KeyError, TypeError, ValueError, ValidationError):
        return None
