from __future__ import annotations

import numpy as np
import pytest

from hubslice.core.errors import DiffError, ExplainError
from hubslice.deviation.labels import share
from hubslice.models.label_names import LabelNames, find_label
from hubslice.models.timm_adapter import TimmModel
from hubslice.run.arms import KnownLabels
from hubslice.training.initial import known_columns

LABELS = ("tench, Tinca tinca", "Tench", "crane, bird", "crane, machine", "fox", "fox", "3", "Red Fox", "owl,")


@pytest.mark.parametrize(
    ("called", "places"),
    [
        ("Tench", [1]),
        ("tench", [1]),
        ("TINCA TINCA ", [0]),
        ("crane, Bird", [2]),
        ("crane", [2, 3]),
        ("fox", [4, 5]),
        ("red fox", [7]),
        ("3", [6]),
        ("red", []),
        ("bird", [2]),
        ("", []),
    ],
)
def test_a_label_has_several_names(called: str, places: list[int]) -> None:
    assert LabelNames(LABELS).places(called) == places


def test_a_number_is_a_label_where_none_is_called_so() -> None:
    assert (find_label(LABELS, "3"), find_label(LABELS, " 5")) == (6, 5)
    with pytest.raises(ExplainError, match="no label '9'"):
        find_label(LABELS, "9")
    with pytest.raises(ExplainError, match="2 labels of the model are called 'crane'") as caught:
        find_label(LABELS, "crane")
    assert caught.value.hint == "give the number of the one that is meant: 2, 3"


def test_a_teachers_labels_are_found_by_any_of_their_names() -> None:
    teacher = TimmModel.create("test_resnet", ("tench, Tinca tinca", "goldfish", "goldfish, Carassius"), seed=0)
    against = KnownLabels(classes=("tench",), against_rest=True).behind(teacher.labels, ("tench", "rest"))
    assert known_columns(teacher, against) == [[0], [1, 2]]
    plain = KnownLabels(classes=(), against_rest=False).behind(teacher.labels, ("Carassius", "Tinca tinca"))
    assert known_columns(teacher, plain) == [[2], [0]]


def test_a_map_calls_labels_by_any_of_their_names() -> None:
    theirs = ("tanche", "grue", "renard")
    found = share(("a", "b"), LABELS, theirs, {"Tanche": "tinca tinca", "grue": "crane, bird", "renard": "fox"})
    assert found.labels == ("tench, Tinca tinca", "crane, bird", "fox")
    np.testing.assert_array_equal(found.a, [0, -1, 1, -1, 2, 2, -1, -1, -1])
    np.testing.assert_array_equal(found.b, [0, 1, 2])
    with pytest.raises(DiffError, match="'crane', as 2 labels of a are called") as caught:
        share(("a", "b"), LABELS, theirs, {"grue": "crane"})
    assert "crane, bird; crane, machine" in str(caught.value.hint)
    with pytest.raises(DiffError, match="'grue' of b twice"):
        share(("a", "b"), LABELS, theirs, {"grue": "fox", "Grue": "Tench"})
