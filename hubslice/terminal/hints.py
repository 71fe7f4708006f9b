"""Adapt hints to the command: errors are raised by shared code, so a hint may name options that a command lacks.

Parts of a hint that need such options are removed. For commands that take images without a recipe, recipe keys are
replaced by option names.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any, Final

import typer

_OPTION: Final = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_CLAUSES: Final = re.compile(r"(; or |, or |; )")
_COMMAND: Final = re.compile(r"\b(hubslice|hf|pip|python) ")  # whose options are not hubslice's
_KEY: Final = re.compile(r"\bdata\.[a-z_]+\b|\bteacher\.input_size\b")
_OPTIONS: Final = {"data.path": ("--data", "--inputs"), "teacher.input_size": ("--input-size",)}
_IMAGES: Final = frozenset(_OPTIONS["data.path"])  # without a recipe
_WITH: Final = re.compile(r" with (--[a-z][a-z-]*)( [A-Z]+)?")


def options_of(app: typer.Typer, arguments: Sequence[str]) -> frozenset[str]:
    """Return the options of the command in a command line, including those for all commands.

    A group named alone (`lineage`) stands for any of its commands.
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
    """Return the hint without parts that need other options, or a recipe, unless it quotes another command."""
    hint = _KEY.sub(lambda key: " or ".join(_given_by(key[0], options)) or key[0], hint)
    parts = _CLAUSES.split(hint)
    clauses = list(zip(["", *parts[1::2]], parts[::2], strict=True))
    kept = [(link, clause) for link, clause in clauses if not _lacking(clause, options)]
    if kept:
        return "".join(clause if at == 0 else link + clause for at, (link, clause) in enumerate(kept))
    plain = _WITH.sub(lambda found: found[0] if found[1] in options else "", clauses[0][1])
    return plain if not _lacking(plain, options) else "see what the command takes with --help"


def _lacking(clause: str, options: Collection[str]) -> bool:
    """Return whether the clause names an option that is not among these, or a recipe key without a recipe."""
    command = _COMMAND.search(clause)
    end = command.start() if command else len(clause)
    if any(found[0] not in options for found in _OPTION.finditer(clause, 0, end)):
        return True
    keys = (found[0] for found in _KEY.finditer(clause, 0, end))
    return not _IMAGES.isdisjoint(options) and any(key.startswith("data.") for key in keys)


def _given_by(key: str, options: Collection[str]) -> list[str]:
    """Return the options by which a command takes what a recipe has under the key."""
    return [name for name in _OPTIONS.get(key, ()) if name in options]


def _options(command: Any) -> set[str]:
    return {"--help", *(name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts))}
