"""Whoever quotes an error that was caught does so on one line, whatever a library put into it."""

from __future__ import annotations

import ast
from pathlib import Path

import hubslice

PACKAGE = Path(hubslice.__file__).parent


def quoted_raw(tree: ast.AST) -> list[int]:
    """The lines at which a text has a caught error in it as it is."""
    found = []
    for handler in (node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.name):
        for part in (node for node in ast.walk(handler) if isinstance(node, ast.FormattedValue)):
            value = part.value
            if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "str":
                value = value.args[0]
            if isinstance(value, ast.Name) and value.id == handler.name:
                found.append(part.lineno)
    return found


def test_no_message_has_a_caught_error_as_it_is() -> None:
    found = {
        str(path.relative_to(PACKAGE)): lines
        for path in PACKAGE.rglob("*.py")
        if (lines := quoted_raw(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert found == {}, "see core/foreign_errors.py"
