"""Load methods, defects and verbs of other packages from the entry points of their distributions."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from hubslice.core.errors import InputError
from hubslice.core.escaping import named
from hubslice.core.foreign_errors import message_of

Group = Literal["methods", "defects", "verbs"]


@cache
def plugins(group: Group) -> tuple[Any, ...]:
    """Return the objects of the entry points in the group `hubslice.GROUP`, sorted by name.

    Raises:
        InputError: an entry point cannot be loaded.
    """
    found = sorted(entry_points(group=f"hubslice.{group}"), key=lambda entry: entry.name)
    return tuple(_loaded(entry, group) for entry in found)


def _loaded(entry: EntryPoint, group: Group) -> Any:
    try:
        return entry.load()
    except Exception as error:  # plug-in code may raise anything
        raise odd(entry.value, group, f"cannot be loaded: {message_of(error)}") from error


def odd(what: str, group: Group, why: str) -> InputError:
    """Return the error for a plug-in that cannot be used."""
    return InputError(
        f"{named(what)}, which an installed package adds to the {group} of hubslice, {why}",
        hint="update that package, or uninstall it",
    )
