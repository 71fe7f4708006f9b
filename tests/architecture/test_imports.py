"""The structure of the package: imports point one way, rooms stand alone, no file is large."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
from importlinter.cli import lint_imports

import hubslice

ROOT = Path(__file__).parents[2]
PACKAGE = Path(hubslice.__file__).parent
MANY_LINES = 350


def test_floors_and_rooms() -> None:
    """The contracts of pyproject.toml."""
    told = io.StringIO()
    with redirect_stdout(told):
        status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert status == 0, told.getvalue()


def test_no_two_files_need_each_other() -> None:
    """Whether at import, inside functions, or for types alone."""
    graph = grimp.build_graph("hubslice", cache_dir=None)
    assert len(graph.modules) > 400
    TopologicalSorter({name: graph.find_modules_directly_imported_by(name) for name in graph.modules}).prepare()


def test_no_file_is_large() -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {str(path.relative_to(PACKAGE)): count for path, count in lines.items() if count > MANY_LINES} == {}
