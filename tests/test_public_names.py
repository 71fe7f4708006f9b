"""Nothing of hubslice uses what the libraries keep to themselves: private names go away without a word."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import hubslice

LIBRARIES = ("huggingface_hub", "transformers", "timm", "datasets")
ALLOWED: dict[str, str] = {}  # file: name, and why there is no other way

PACKAGE = Path(hubslice.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))


def private(name: str) -> bool:
    return any(part.startswith("_") and not part.endswith("__") for part in name.split("."))


def used(tree: ast.AST) -> Iterator[str]:
    """Dotted names that lie in one of the libraries, as far as they can be told from the source."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                known[each.asname or each.name.partition(".")[0]] = (
                    each.name if each.asname else each.name.partition(".")[0]
                )
                yield each.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for each in node.names:
                known[each.asname or each.name] = f"{node.module}.{each.name}"
                yield f"{node.module}.{each.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            parts = [node.attr]
            inner = node.value
            while isinstance(inner, ast.Attribute):
                parts.insert(0, inner.attr)
                inner = inner.value
            if isinstance(inner, ast.Name) and inner.id in known:
                yield ".".join([known[inner.id], *parts])
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
            yield node.value  # what import_module is given


def found(source: str) -> list[str]:
    ours = (name for name in used(ast.parse(source)) if name.partition(".")[0] in LIBRARIES)
    return sorted({name for name in ours if private(name)})


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("from huggingface_hub.utils import _http", ["huggingface_hub.utils._http"]),
        ("from huggingface_hub.utils._http import get_session", ["huggingface_hub.utils._http.get_session"]),
        ("import timm._x as t\nt.y", ["timm._x", "timm._x.y"]),
        ("import datasets\ndatasets.config._offline", ["datasets.config._offline"]),
        ("from transformers import utils as u\ndef f():\n    return u.hub._x", ["transformers.utils.hub._x"]),
        ("import_module('transformers._a')", ["transformers._a"]),
        ("from huggingface_hub import __version__, constants\nconstants.HF_HOME\nimport torch._C", []),
    ],
)
def test_the_scan_sees_private_names(source: str, names: list[str]) -> None:
    assert found(source) == names


def test_no_private_names() -> None:
    assert len(FILES) > 300
    seen = {str(file.relative_to(PACKAGE)): found(file.read_text(encoding="utf-8")) for file in FILES}
    assert {file: names for file, names in seen.items() if names} == {file: [name] for file, name in ALLOWED.items()}
