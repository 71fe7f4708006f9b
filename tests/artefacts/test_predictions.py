"""Accuracies class by class."""

from __future__ import annotations

import numpy as np

from hubslice.artefacts.predictions import Predictions
from hubslice.core.rate import Rate


def test_each_class_is_counted_by_itself() -> None:
    labels, answers = np.array([0, 0, 0, 1, 2, 2]), np.array([0, 1, 0, 1, 0, 0])
    found = Predictions({"test": labels}, {"test": {"student": answers}}).by_class("test", "student", 4)
    assert found == (
        *(Rate(hits=2, total=3), Rate(hits=1, total=1), Rate(hits=0, total=2)),
        Rate(hits=0, total=0),  # a class without samples in this split
    )
