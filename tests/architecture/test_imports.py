"""The structure of the package: imports point one way, rooms stand alone, no file is large."""

from __future__ import annotations

import ast
import io
from contextlib import redirect_stdout
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
from importlinter.cli import lint_imports

import hubslice
from hubslice.recipe.defects import Defect
from hubslice.recipe.slicing import ChannelSlicing, Method, Slicing

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


def test_methods_and_defects_say_themselves_what_the_chain_asks() -> None:
    """Nothing outside their own packages tells them apart by their type."""
    kinds = {
        params.__name__ for params in (*Method.__subclasses__(), *Slicing.__subclasses__(), *Defect.__subclasses__())
    }
    kinds |= {params.__name__ for params in ChannelSlicing.__subclasses__()} | {"Method", "Defect"}
    assert len(kinds) > 9
    told = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
                named = {each.id for each in ast.walk(node.args[1]) if isinstance(each, ast.Name)}
                told += [f"{path.relative_to(PACKAGE)}:{node.lineno}"] if named & kinds else []
    assert told == []


def test_no_file_is_large() -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {str(path.relative_to(PACKAGE)): count for path, count in lines.items() if count > MANY_LINES} == {}
