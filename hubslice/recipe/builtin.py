"""The built-in recipes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hubslice.core.resources import resource_folder
from hubslice.recipe.problems import suggest
from hubslice.recipe.yaml_source import read_yaml

_NOT_RUN = re.compile(r"^#.*\bnot run here\b", re.IGNORECASE)


@dataclass(frozen=True)
class BuiltinRecipe:
    """A built-in recipe.

    `name` is the path in the collection without `.yaml`, `title` the file's first comment line. `tested` is False if
    the header says "not run here": published settings that this project has validated but not run.
    """

    name: str
    title: str
    kind: str
    tested: bool
    path: Path

    @property
    def text(self) -> str:
        """The YAML, verbatim."""
        return self.path.read_text(encoding="utf-8")


def builtin_recipes() -> tuple[BuiltinRecipe, ...]:
    """Return all built-in recipes, sorted by name.

    Raises:
        HubsliceError: the installation lacks them.
        RecipeError: one is not valid YAML.
    """
    folder = resource_folder("recipes")
    return tuple(sorted((_entry(folder, path) for path in folder.rglob("*.yaml")), key=lambda recipe: recipe.name))


def find_builtin(name: str) -> BuiltinRecipe | None:
    """Return the built-in recipe of this name (`.yaml` may be appended), or None."""
    wanted = name.removesuffix(".yaml")
    folder = resource_folder("recipes")
    paths = {path.relative_to(folder).with_suffix("").as_posix(): path for path in folder.rglob("*.yaml")}
    return _entry(folder, paths[wanted]) if wanted in paths else None


def nearest_builtin(name: str) -> str:
    """Return `; did you mean '<built-in name>'?`, or an empty string. The last part of a name is enough."""
    names = [recipe.name for recipe in builtin_recipes()]
    wanted = name.removesuffix(".yaml")
    direct = suggest(wanted, names)
    if direct:
        return direct
    by_last = {known.rpartition("/")[2]: known for known in names}
    last = suggest(wanted.rpartition("/")[2], by_last)
    return next((f"; did you mean '{known}'?" for short, known in by_last.items() if f"'{short}'" in last), "")


def _entry(folder: Path, path: Path) -> BuiltinRecipe:
    name = path.relative_to(folder).with_suffix("").as_posix()
    text = path.read_text(encoding="utf-8")
    header = [line for line in text.splitlines() if line.startswith("#")]
    data = read_yaml(text, name).data
    return BuiltinRecipe(
        name=name,
        title=header[0].lstrip("# ") if header else name,
        kind=str(data.get("kind", "")) if isinstance(data, dict) else "",
        tested=not any(_NOT_RUN.match(line) for line in header),
        path=path,
    )
