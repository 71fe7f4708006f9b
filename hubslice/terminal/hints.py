"""Hints that fit the command: what mends an error is told where it is found, for all commands that may meet it there.

Some of them lack an option that such a hint names; what they cannot do is left out of it. Keys of a recipe are told to
those that take images without one by the name of their option.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any, Final

import typer

_OPTION: Final = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_CLAUSES: Final = re.compile(r"(; or |, or |; )")
_COMMAND: Final = re.compile(r"\b(hubslice|hf|pip|python) ")  # its options are not ours
_KEY: Final = re.compile(r"\bdata\.[a-z_]+\b|\bteacher\.input_size\b")
_OPTIONS: Final = {"data.path": ("--data", "--inputs"), "teacher.input_size": ("--input-size",)}
_IMAGES: Final = frozenset(_OPTIONS["data.path"])  # without a recipe
_WITH: Final = re.compile(r" with (--[a-z][a-z-]*)( [A-Z]+)?")


def options_of(app: typer.Typer, arguments: Sequence[str]) -> frozenset[str]:
    """The options of the command that a command line names, those for all commands among them.

    A group that is named alone (`lineage`) stands for one of its commands, whichever that is.
    """
    root: Any = typer.main.get_command(app)
    command, found = root, _options(root)
    for argument in arguments:
        inner = getattr(command, "commands", {}).get(argument)
        if inner is not None:
            command = inner
            found |= _options(command)
    if command is not root:
        for inner in getattr(command, "commands", {}).values():
            found |= _options(inner)
    return frozenset(found)


def fitting(hint: str, options: Collection[str]) -> str:
    """The hint without what needs other options than these, or a recipe, unless it quotes another command."""
    hint = _KEY.sub(lambda key: " or ".join(_given_by(key[0], options)) or key[0], hint)
    parts = _CLAUSES.split(hint)
    clauses = list(zip(["", *parts[1::2]], parts[::2], strict=True))
    kept = [(link, clause) for link, clause in clauses if not _lacking(clause, options)]
    if kept:
        return "".join(clause if at == 0 else link + clause for at, (link, clause) in enumerate(kept))
    plain = _WITH.sub(lambda found: found[0] if found[1] in options else "", clauses[0][1])
    return plain if not _lacking(plain, options) else "see what the command takes with --help"


def _lacking(clause: str, options: Collection[str]) -> bool:
    """Whether the clause names an option that is not among these, or a key of a recipe that there is not."""
    command = _COMMAND.search(clause)
    end = command.start() if command else len(clause)
    if any(found[0] not in options for found in _OPTION.finditer(clause, 0, end)):
        return True
    keys = (found[0] for found in _KEY.finditer(clause, 0, end))
    return not _IMAGES.isdisjoint(options) and any(key.startswith("data.") for key in keys)


def _given_by(key: str, options: Collection[str]) -> list[str]:
    """The options by which a command takes what a recipe has under the key."""
    return [name for name in _OPTIONS.get(key, ()) if name in options]


def _options(command: Any) -> set[str]:
    return {"--help", *(name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts))}
