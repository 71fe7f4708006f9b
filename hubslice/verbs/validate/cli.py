"""`hubslice validate`: check a recipe before a long run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from hubslice.core.errors import RecipeError
from hubslice.core.numbers import amount
from hubslice.core.paths import as_text
from hubslice.terminal.options import examples
from hubslice.terminal.output import out
from hubslice.terminal.parameters import command
from hubslice.verbs.validate.params import ValidateParams

if TYPE_CHECKING:
    from hubslice.recipe.load import LoadedRecipe


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "validate",
        epilog=examples(
            "hubslice validate recipe.yaml",
            "hubslice validate recipe.yaml train.epochs=2 slice.ratio=0.05",
            "hubslice validate vision/drawings --json",
        ),
    )(command(validate))


def validate(params: ValidateParams) -> None:
    """Check a recipe: all mistakes at once, each with its line.

    Loads no model and uses no network: names on the Hub are not looked up.
    """
    from hubslice.recipe.load import load_recipe, missing_paths

    loaded = load_recipe(as_text(params.recipe), tuple(params.overrides))
    missing = missing_paths(loaded)
    if missing:
        raise RecipeError(
            f"{loaded.origin} is well-formed, but files are missing",
            missing,
            hint=f"relative paths start from {loaded.base}",
        )
    data = {
        "valid": True,
        "kind": loaded.recipe.kind,
        "name": loaded.recipe.name,
        "origin": loaded.origin,
        "recipe": loaded.recipe.model_dump(mode="json"),
    }
    out.result(data, lambda: _tell(loaded))


def _tell(loaded: LoadedRecipe) -> None:
    from hubslice.recipe.defects import defect_names
    from hubslice.recipe.schema import SliceRecipe
    from hubslice.run.arms import arms_of

    recipe = loaded.recipe
    teacher = recipe.teacher.model + (" with random weights" if recipe.teacher.weights == "random" else "")
    told: dict[str, object] = {"recipe": f"{recipe.name} ({recipe.kind})", "teacher": teacher}
    told["data"] = recipe.data.path
    if isinstance(recipe, SliceRecipe):
        told["slice"] = recipe.slice.words()
        told["baselines"] = [arm.name for arm in arms_of(recipe) if arm.role == "baseline"] or "none"
        told["defects"] = list(defect_names(recipe.audit.defects)) or "none"
    else:
        told["poison"] = f"towards {recipe.poison.target}, {recipe.poison.rate:.1%} of the training samples"
    settings = len(recipe.train.candidates())
    told["train"] = amount(recipe.train.epochs, "epoch") + (f", {settings} settings to try" if settings > 1 else "")
    out.fields(told)
    out.info(f"{loaded.origin} is valid")
