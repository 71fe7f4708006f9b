"""What is only speed is in no step's key and in no lock; all else is in both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hubslice.recipe.load import parse_recipe
from hubslice.recipe.schema import PoisonRecipe, SliceRecipe
from hubslice.recipe.section import Section, decisive, only_speed
from hubslice.recipe.settings import settings_of
from hubslice.run.drift import settings_drift
from hubslice.run.plan import plan
from hubslice.run.poisoning import PlantStep

TEXT = """\
kind: slice
name: beans
teacher: {model: timm/resnet18.a1_in1k}
data: {path: ./images}
slice: {method: seam}
audit: {defects: [{kind: penultimate}]}
diff: {}
exposure: {}
"""


def recipe(*overrides: str) -> SliceRecipe:
    found = parse_recipe(TEXT, Path(), "here", overrides).recipe
    assert isinstance(found, SliceRecipe)
    return found


def keys(of: SliceRecipe) -> dict[str, str]:
    digests: dict[str, str] = {}
    for step in plan(of, "", Path()):
        digests[step.name] = step.key(digests)
    return digests


def test_what_is_only_speed() -> None:
    assert only_speed(SliceRecipe) == only_speed(PoisonRecipe) == {"train.workers"}


def sections(value: Section) -> Iterator[Section]:
    yield value
    for _, part in value:
        for item in part if isinstance(part, tuple) else (part,):
            if isinstance(item, Section):
                yield from sections(item)


def test_all_else_is_decisive() -> None:
    found = recipe()
    whole: dict[str, Any] = found.model_dump(mode="json")
    assert whole["train"].pop("workers", "gone") is None
    assert decisive(found) == whole
    assert len(list(sections(found))) > 12


@pytest.mark.parametrize("workers", [0, 2])
def test_no_step_is_done_again_for_more_workers(workers: int) -> None:
    assert keys(recipe(f"train.workers={workers}")) == keys(recipe())
    assert keys(recipe("train.batch_size=2")) != keys(recipe())


def test_poisoning_neither() -> None:
    text = "kind: poison\nname: x\nteacher: {model: a/b}\ndata: {path: ./p}\npoison: {target: red}\n"
    one, two = (parse_recipe(text, Path(), "here", more) for more in ((), ("train.workers=2",)))
    steps = [
        PlantStep(recipe=found.recipe, text=found.text)
        for found in (one, two)
        if isinstance(found.recipe, PoisonRecipe)
    ]
    digests = {"pull": "", "data": ""}
    assert steps[0].key(digests) == steps[1].key(digests)


def test_a_lock_does_not_hold_it_and_an_older_one_is_kept_to() -> None:
    assert "train.workers" not in settings_of(recipe("train.workers=2"))
    assert "train.workers" not in settings_of(recipe("train.workers=2"), given=True)

    class Older:
        settings = settings_of(recipe()) | {"train.workers": 3}

    for now in (recipe(), recipe("train.workers=2")):
        assert settings_drift(Older(), now) == ([], [])  # type: ignore[arg-type]
    assert settings_drift(Older(), recipe("train.epochs=3"))[0] == ["recipe, train.epochs: locked 10, now 3"]  # type: ignore[arg-type]
