"""Some classes of a data set as the task, or some against the rest."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hubslice.core.errors import DataError
from hubslice.recipe.schema import DataParams, SplitParams
from hubslice.task.choice import against_rest, only
from hubslice.task.task import SPLITS, Task, load_task


def stored_labels(task: Task, split: str) -> list[str]:
    """The data's own label of every sample."""
    part = getattr(task, split)
    return [part.table.labels[part.table.targets()[row]] for row in part.rows]


@pytest.mark.parametrize("source", ["shapes.parquet", "shapes"])
def test_the_classes_that_are_named_in_their_order(base: Path, source: str) -> None:
    whole = load_task(DataParams(path=source), base, 0)
    task = load_task(DataParams(path=source, classes=("red", "blue")), base, 0)
    assert task.labels == task.report.labels == ("red", "blue")
    for name in SPLITS:
        part = getattr(task, name)
        assert [task.labels[target] for target in part.targets] == stored_labels(task, name)
        assert Counter(stored_labels(task, name)) == {
            label: count for label, count in Counter(stored_labels(whole, name)).items() if label != "green"
        }
    assert task.report.fingerprint != whole.report.fingerprint


@pytest.mark.parametrize(("classes", "label"), [(("red",), "red"), (("red", "green"), "red+green")])
def test_classes_against_the_rest(base: Path, classes: tuple[str, ...], label: str) -> None:
    params = DataParams(path="shapes.parquet", classes=classes, against_rest=True)
    task, again = (load_task(params, base, 0) for _ in range(2))
    assert task.labels == (label, "rest")
    assert task.report.fingerprint == again.report.fingerprint != load_task(params, base, 1).report.fingerprint
    for name in SPLITS:
        targets = getattr(task, name).targets
        assert [int(stored not in classes) for stored in stored_labels(task, name)] == targets.tolist()
        assert 0 < (targets == 1).sum() <= (targets == 0).sum()


def test_the_limit_comes_after_the_choice(base: Path) -> None:
    task = load_task(DataParams(path="shapes.parquet", classes=("red",), against_rest=True, limit=6), base, 0)
    assert set(task.report.samples.values()) == {6}
    assert set(task.train.targets.tolist()) == {0, 1}


def test_groups_stay_together_whatever_is_chosen(base: Path) -> None:
    params = DataParams(path="shapes.parquet", group="group", classes=("red",), against_rest=True)
    task = load_task(params, base, 0)
    groups = [part.table.group_names(part.rows) for part in (task.train, task.validation, task.test)]
    assert len(set.union(*groups)) == sum(map(len, groups))


def test_the_rest_is_drawn_evenly_as_far_as_each_class_has_samples() -> None:
    targets = np.repeat([0, 1, 2, 3], [50, 4, 100, 30])
    places, new = against_rest(targets, np.array([0]), seed=5)
    assert Counter(targets[places].tolist()) == {0: 50, 1: 4, 2: 23, 3: 23}
    assert new.tolist() == [int(target != 0) for target in targets[places]]
    again, _ = against_rest(targets, np.array([0]), seed=5)
    other, _ = against_rest(targets, np.array([0]), seed=6)
    assert places.tolist() == again.tolist() != other.tolist()


def test_fewer_others_than_wanted_are_all_taken() -> None:
    places, new = against_rest(np.array([0, 0, 0, 1, 0, 2]), np.array([0]), seed=0)
    assert (places.tolist(), new.tolist()) == ([0, 1, 2, 3, 4, 5], [0, 0, 0, 1, 0, 1])


def test_only_numbers_classes_as_they_are_named() -> None:
    places, new = only(np.array([2, 0, 1, 2, 3]), np.array([3, 2]))
    assert (places.tolist(), new.tolist()) == ([0, 3, 4], [1, 1, 0])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"classes": ("red", "bleu")}, "data.classes names 'bleu', which shapes.parquet does not have; did you mean"),
        ({"classes": ("red", "green", "blue"), "against_rest": True}, "none is left for the rest"),
        (
            {"classes": ("red", "blue"), "splits": SplitParams(train=0.02, validation=0.4, test=0.4), "limit": 1},
            "the train split of shapes.parquet has samples of one class only",
        ),
    ],
)
def test_choices_that_the_data_does_not_have(base: Path, params: dict[str, object], message: str) -> None:
    with pytest.raises(DataError) as caught:
        load_task(DataParams(path="shapes.parquet", **params), base, 0)  # type: ignore[arg-type]
    assert message in caught.value.message
