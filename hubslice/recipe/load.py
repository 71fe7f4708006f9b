"""Load and validate a recipe from YAML."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hubslice.core.errors import RecipeError
from hubslice.recipe.builtin import find_builtin, nearest_builtin
from hubslice.recipe.check import check
from hubslice.recipe.overrides import apply_overrides
from hubslice.recipe.paths import is_hub_id, looks_local, path_values, place, resolve_path, set_value
from hubslice.recipe.places import Places, dotted
from hubslice.recipe.schema import PoisonRecipe, SliceRecipe
from hubslice.recipe.yaml_source import MAX_BYTES, NO_RECIPE, KeyPath, Plain, dump_yaml, read_yaml

_HINT = "`hubslice recipes show general/minimal` is an example, `hubslice recipes schema` describes every key"


@dataclass(frozen=True)
class RecipeSource:
    """A recipe that was found but not yet parsed: its text, the base folder of its relative paths, its name."""

    text: str
    base: Path
    origin: str


@dataclass(frozen=True)
class LoadedRecipe:
    """A validated recipe.

    `text` is the verbatim YAML; if overrides changed it, it is rewritten with a first line that lists them. Relative
    paths in the recipe start from `base`. `origin` is the user's name for it, `places` is where each key was given.
    """

    recipe: SliceRecipe | PoisonRecipe
    text: str
    base: Path
    origin: str
    places: Places = field(repr=False, compare=False)


def load_recipe(source: str, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Load the recipe file or built-in recipe `source`, with `key.path=value` overrides applied.

    Raises:
        RecipeError: there is no such recipe, or it has mistakes; `problems` lists all of them.
    """
    found = find_recipe(source)
    if found is None:
        folder = resolve_path(source, Path.cwd())
        if folder is not None and folder.is_dir():
            raise RecipeError(f"{source} is a folder, not a recipe file", hint="name the YAML file inside it")
        raise RecipeError(
            f"there is no recipe '{source}': neither a file nor a built-in recipe{nearest_builtin(source)}",
            hint="`hubslice recipes ls` lists the built-in recipes",
        )
    return parse_recipe(found.text, found.base, found.origin, overrides)


def find_recipe(source: str) -> RecipeSource | None:
    """Find the recipe file or built-in recipe of this name, or None; relative paths in it start from its folder.

    Raises:
        RecipeError: the file is huge, is not UTF-8 text, or cannot be read.
    """
    path = place(source, Path.cwd())
    if resolve_path(source, Path.cwd()) and path.is_file():
        origin = source
    elif builtin := find_builtin(source):
        path, origin = builtin.path, builtin.name
    else:
        return None
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise RecipeError(f"{source} is no recipe: longer than {MAX_BYTES // 1024} KiB", hint=NO_RECIPE)
        return RecipeSource(content.decode("utf-8-sig"), path.parent, origin)
    except UnicodeDecodeError as error:
        raise RecipeError(f"{source} is no recipe: not UTF-8 text", hint="save it as UTF-8") from error
    except OSError as error:
        raise RecipeError(f"{source} cannot be read: {error.strerror}", hint="check the file's permissions") from error


def parse_recipe(text: str, base: Path, origin: str, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Validate YAML from any source; `origin` names it in messages.

    Raises:
        RecipeError: it has mistakes; `problems` lists all of them.
    """
    source = read_yaml(text, origin)
    if source.data is None and not source.slips:
        raise RecipeError(f"{origin} is empty", hint=_HINT)
    places, data = Places(origin, source.positions), source.data
    if overrides:
        data, given = apply_overrides(data, overrides)
        places = Places(origin, source.positions, given)
        _anchor_overridden_paths(data, places, base)
        text = f"# With overrides: {json.dumps(list(overrides))[1:-1]}\n{dump_yaml(data)}"
    slips = [slip for slip in source.slips if not places.overridden(slip.path)]
    recipe, mistakes = check(data, {slip.path for slip in slips if slip.lost})
    problems = places.lines(mistakes, slips)
    if recipe is None or problems:
        count = f"{len(problems)} mistakes" if len(problems) > 1 else "a mistake"
        raise RecipeError(f"{origin} has {count}", problems, hint=_HINT)
    return LoadedRecipe(recipe, text, base, origin, places)


def missing_paths(loaded: LoadedRecipe) -> tuple[str, ...]:
    """Return one line for each value that can only be a local path but does not exist."""
    missing = [
        (path, f"no such file or folder: {place(value, loaded.base)}")
        for path, value in path_values(loaded.recipe.model_dump(mode="json"))
        if looks_local(value) and resolve_path(value, loaded.base) is None
    ]
    return tuple(loaded.places.lines(missing))


def paths_here(loaded: LoadedRecipe) -> dict[KeyPath, str]:
    """Return by key the values of the recipe itself, without overrides, that are local paths or URLs."""
    return {
        path: value
        for path, value in path_values(loaded.recipe.model_dump(mode="json"))
        if not loaded.places.overridden(path) and (not is_hub_id(value) or _is_here(value, loaded.base))
    }


def check_published(loaded: LoadedRecipe) -> None:
    """Refuse local paths in a recipe from somebody else, which may only refer to models and data on the Hub.

    Overrides by the user may be paths.

    Raises:
        RecipeError: it names a file or folder; `problems` says where.
    """
    found = paths_here(loaded)
    if found:
        raise RecipeError(
            f"the recipe of {loaded.origin} names files or folders of a machine, or an address",
            loaded.places.lines((path, f"only Hub ids are followed, got {value}") for path, value in found.items()),
            hint=f"give your own: {' '.join(f'{dotted(path)}=PATH' for path in found)}",
        )


def _is_here(value: str, base: Path) -> bool:
    return any(resolve_path(value, folder) is not None for folder in (base, Path.cwd()))


def _anchor_overridden_paths(data: Plain, places: Places, base: Path) -> None:
    """Make relative paths given on the command line relative to the current folder, as users of a shell expect."""
    here = Path.cwd()
    for path, value in list(path_values(data)):
        if places.overridden(path) and here != base and resolve_path(value, here):
            set_value(data, path, str(place(value, here)))
