"""The structure of the package: imports point one way, rooms stand alone, no file is large."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import grimp
from importlinter.cli import lint_imports

import hubslice
from hubslice.defects.registry import DEFECTS
from hubslice.models.libraries import LIBRARIES
from hubslice.recipe.defects import Defect
from hubslice.recipe.methods import METHODS
from hubslice.recipe.slicing import Method

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
    kinds = {kind.__name__ for kind in (*below(Method), *below(Defect), Method, Defect)}
    assert len(kinds) > 9
    told = []
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
                named = {each.id for each in ast.walk(node.args[1]) if isinstance(each, ast.Name)}
                told += [f"{path}:{node.lineno}"] if named & kinds else []
    assert told == []


def test_nothing_else_knows_methods_defects_and_libraries_by_name() -> None:
    """What is known of one stands in its own file: nothing compares with its name, or looks something up by it."""
    names = {str(kind.model_fields["method"].default) for kind in METHODS}
    names |= {entry.kind for entry in DEFECTS} | {library.name for library in LIBRARIES}
    names -= {"magnitude", "none", "random"}  # which are words for other things, too
    told = []
    for path, tree in trees():
        if path.parts[0] in ("core", "recipe", "slicing", "defects", "models"):
            continue
        parts = [part for node in ast.walk(tree) for part in decides(node)]
        told += [f"{path}:{part.lineno}" for part in parts for each in ast.walk(part) if is_one(each, names)]
    for path in (ROOT / "cards").rglob("*.j2"):
        told += [f"{path.name}: {name}" for name in names if f'"{name}"' in path.read_text(encoding="utf-8")]
    assert told == []


def test_the_hub_is_asked_through_its_protocol() -> None:
    """Only `hub` knows the Hugging Face Hub's client; data sets come through `datasets`, which has it built in."""
    graph = grimp.build_graph("hubslice", cache_dir=None, include_external_packages=True)
    data_sets = {"hubslice.task.hub", "hubslice.task.checked", "hubslice.task.cached"}
    made = graph.find_modules_that_directly_import("hubslice.hub.client")
    assert made == {"hubslice.hub.default", "hubslice.task.hub", "hubslice.task.checked"}
    imported = graph.find_modules_that_directly_import("huggingface_hub")
    formats = {"hubslice.card.hub_rules", "hubslice.card.results", "hubslice.core.library_bars"}
    folders = {"hubslice.verbs.doctor.checks"}
    assert {name for name in imported if not name.startswith("hubslice.hub.")} == data_sets | formats | folders
    asking = {"hub.client", "hub.http_ranges", "hub.session", "hub.model_info"}
    others = {name for name in imported if name.startswith("hubslice.hub.")} - {f"hubslice.{name}" for name in asking}
    assert others == {"hubslice.hub.answers", "hubslice.hub.proxies", "hubslice.hub.refusals"}  # which read its errors


# What never asks whether an input is an image or a text: a `Modality` knows.
NEUTRAL = ("engine", "profiling", "slicing", "training", "run/steps/inputs.py")
NEUTRAL_SEARCH = ("search", "genetic", "choice", "fitness", "lockstep", "labels", "outcome", "finished", "deviations")


def test_most_code_does_not_know_what_an_input_is() -> None:
    """No word of images or pixels in it."""
    places = [PACKAGE / name for name in NEUTRAL] + [PACKAGE / "deviation" / f"{name}.py" for name in NEUTRAL_SEARCH]
    files = [file for place in places for file in ([place] if place.suffix else place.rglob("*.py"))]
    assert len(files) > 45
    told = [
        f"{file.relative_to(PACKAGE)}:{number}: {line.strip()}"
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if re.search("image|pixel|picture", line, re.IGNORECASE)
    ]
    assert told == []


def below(kind: type) -> set[type]:
    """All subclasses."""
    return {found for each in kind.__subclasses__() for found in (each, *below(each))}


def trees() -> Iterator[tuple[Path, ast.Module]]:
    """Every file of the package, parsed; by its path in there."""
    for path in PACKAGE.rglob("*.py"):
        yield path.relative_to(PACKAGE), ast.parse(path.read_text(encoding="utf-8"))


def decides(node: ast.AST) -> list[Any]:
    """What of a comparison, a `match` or a table tells cases apart."""
    match node:
        case ast.Compare():
            return [node.left, *node.comparators]
        case ast.match_case():
            return [node.pattern]
        case ast.Dict():
            return [key for key in node.keys if key is not None]
        case _:
            return []


def is_one(node: ast.AST, names: set[str]) -> bool:
    return isinstance(node, ast.Constant) and node.value in names


def test_no_file_is_large() -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {str(path.relative_to(PACKAGE)): count for path, count in lines.items() if count > MANY_LINES} == {}
