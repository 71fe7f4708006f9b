"""`hubslice recipes`: the built-in recipes and the recipe schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubslice.core.errors import InputError
from hubslice.terminal.options import JsonOption, QuietOption, examples
from hubslice.terminal.output import out

if TYPE_CHECKING:
    from hubslice.recipe.builtin import BuiltinRecipe


def _complete(incomplete: str) -> list[str]:
    from hubslice.recipe.builtin import builtin_recipes

    return [recipe.name for recipe in builtin_recipes() if recipe.name.startswith(incomplete)]


NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="A name that `hubslice recipes ls` lists.", autocompletion=_complete)
]


def register(app: typer.Typer) -> None:
    """Add the group and its commands."""
    group = typer.Typer(no_args_is_help=True, help="List, show and copy the built-in recipes.")
    group.command(
        "ls",
        epilog=examples("hubslice recipes ls", "hubslice recipes ls --json", "hubslice recipes ls --quiet"),
    )(ls)
    group.command(
        "show",
        epilog=examples(
            "hubslice recipes show general/minimal",
            "hubslice recipes show vision/drawings > recipe.yaml",
            "hubslice recipes show vision/drawings --json",
        ),
    )(show)
    group.command(
        "copy",
        epilog=examples(
            "hubslice recipes copy general/minimal",
            "hubslice recipes copy vision/drawings recipe.yaml",
            "hubslice recipes copy vision/drawings recipe.yaml --force",
        ),
    )(copy)
    group.command(
        "schema",
        epilog=examples(
            "hubslice recipes schema > recipe.schema.json",
            "hubslice recipes schema | jq '.\"$defs\".TrainParams'",
            "hubslice recipes schema | jq '.\"$defs\" | keys'",
        ),
    )(schema)
    app.add_typer(group, name="recipes")


def ls(as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """List the built-in recipes.

    "not run here" marks published settings that hubslice's authors have validated but not run.
    """
    from hubslice.recipe.builtin import builtin_recipes

    rows = [
        {
            "name": recipe.name,
            "kind": recipe.kind,
            "title": recipe.title,
            "tested": recipe.tested,
            "note": "" if recipe.tested else "not run here",
        }
        for recipe in builtin_recipes()
    ]
    out.table(rows, {"name": "NAME", "kind": "KIND", "title": "TITLE", "note": "NOTE"})
    out.hint("`hubslice recipes show NAME` prints one, `hubslice recipes copy NAME` makes it yours")


def show(name: NameArgument, as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Print a built-in recipe verbatim, including comments."""
    recipe = _find(name)
    about = {"name": recipe.name, "kind": recipe.kind, "title": recipe.title, "tested": recipe.tested}
    out.result({**about, "text": recipe.text}, lambda: out.text(recipe.text), quiet=recipe.text)


def copy(
    name: NameArgument,
    destination: Annotated[
        Path | None,
        typer.Argument(
            help="The file to write; default: the recipe's name, in the working directory.", show_default=False
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Overwrite an existing file.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Copy a built-in recipe to a file of your own."""
    from hubslice.core.artefact import write_atomically
    from hubslice.recipe.load import load_recipe, missing_paths

    recipe = _find(name)
    target = destination or Path(recipe.path.name)
    if target.is_dir():
        target /= recipe.path.name
    if target.exists() and not force:
        raise InputError(f"{target} is already there", hint="give --force to replace it, or another name")
    write_atomically(target, recipe.text)
    out.result({"name": recipe.name, "path": str(target)}, lambda: out.line(str(target)), quiet=target)
    for line in missing_paths(load_recipe(str(target))):
        out.warning(line)
    out.hint(f"edit it, then check it: hubslice validate {target}")


def schema(as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Print the JSON Schema of recipes: for editors, and as a reference of all keys."""
    from hubslice.recipe.check import json_schema

    out.mode = "json"  # the result is always JSON
    out.result(json_schema())


def _find(name: str) -> BuiltinRecipe:
    from hubslice.recipe.builtin import find_builtin, nearest_builtin

    recipe = find_builtin(name)
    if recipe is None:
        raise InputError(
            f"there is no built-in recipe '{name}'{nearest_builtin(name)}", hint="`hubslice recipes ls` lists them"
        )
    return recipe
