"""Settings against a lock that an older version wrote: keys that came later do not count while they are at default."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubslice.artefacts.lock import Lock
from hubslice.recipe.load import parse_recipe
from hubslice.recipe.schema import SliceRecipe
from hubslice.run.drift import settings_drift

DEMO = Path(__file__).parents[2] / "cards" / "demo"


@pytest.mark.parametrize(
    ("override", "drift"),
    [
        ("seed=0", []),
        ("data.against_rest=false", []),
        ("data.classes=[cat, dog]", ["recipe, data.classes: locked [], now ['cat', 'dog']"]),
        ("audit.defects=[]", ["audit.defects"]),
    ],
)
def test_a_lock_without_the_later_keys(override: str, drift: list[str]) -> None:
    recipe = parse_recipe((DEMO / "recipe.yaml").read_text(), DEMO, "demo", [override]).recipe
    assert isinstance(recipe, SliceRecipe)
    lock = Lock.load(DEMO / "hubslice.lock")
    later = [key for key in lock.settings if key.startswith(("data.classes", "data.against_rest"))]
    older = lock.model_copy(update={"settings": {k: v for k, v in lock.settings.items() if k not in later}})
    given, defaults = settings_drift(older, recipe)
    lines = [*given, *defaults]
    assert bool(lines) == bool(drift)
    assert all(any(part in line for line in lines) for part in drift)
