"""A parameter is written once: the value, the Python function and the command that are made of a class."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, MISSING, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer
from pydantic import BaseModel, Field
from typer.testing import CliRunner

import hubslice
import hubslice.verbs
from hubslice.app import app
from hubslice.core.errors import InputError
from hubslice.core.function import takes
from hubslice.core.parameters import Argument, Option, Params, PythonOnly, of_section, parameters
from hubslice.core.paths import AnyPath
from hubslice.core.progress import SILENT, Reporter, Silent
from hubslice.terminal.parameters import Before, command


class Baking(BaseModel):
    heat: float = Field(180.5, ge=20, description="Degrees of the oven.")


@dataclass(frozen=True)
class BakeParams(Params):
    flour: Annotated[AnyPath, Argument("What is baked; see --shape.", "FLOUR", path=True)]
    oven: Annotated[str, Option("Where.", "NAME", flag="--in")]
    _: KW_ONLY
    shape: Annotated[Literal["loaf", "roll"], Option("Of the bread.")] = "loaf"
    heat: Annotated[float | None, of_section(Baking, "heat", "C", read=lambda text: float(text[:-1]), default=True)] = (
        None
    )
    times: Annotated[Sequence[int], Option("Minutes.", "N", flag="--time", short="-t", min=1)] = (40, 5)
    extra: Annotated[Sequence[AnyPath], Option("Seeds.")] = ()
    notes: Annotated[
        Mapping[str, str] | None, Option("Said.", read=lambda texts: dict(t.split("=") for t in texts))
    ] = None
    cool_down: Annotated[bool, Option("Let it rest.")] = False
    out: Annotated[AnyPath | None, Option("Where it goes.", "DIR", short="-o", path=True)] = None
    salt: Annotated[int, PythonOnly("Grams.")] = 9


@takes(BakeParams)
def bake(params: BakeParams, reporter: Reporter) -> tuple[BakeParams, Reporter]:
    """Bake a bread.

    It takes long.

    Raises:
        InputError: there is no flour.
    """
    return params, reporter


PLAIN = BakeParams("rye", "stone")


def test_a_function_takes_the_fields() -> None:
    told = Silent()
    params, reporter = bake("rye", "stone", shape="roll", reporter=told)
    assert params == replace(PLAIN, shape="roll")
    assert reporter is told
    assert bake(flour="rye", oven="stone") == (PLAIN, SILENT)


def test_paths_are_text_and_sequences_tuples() -> None:
    @dataclass
    class Other(os.PathLike[str]):
        text: str

        def __fspath__(self) -> str:
            return self.text

    for kind in (str, Path, Other):
        params, _ = bake(kind("rye"), "stone", extra=[kind("a"), kind("b")], out=kind("o"), times=[1, 2])
        assert (params.flour, params.extra, params.out, params.times) == ("rye", ("a", "b"), "o", (1, 2))
        assert bake("rye", "stone", extra=kind("a"))[0].extra == ("a",)  # one name is no sequence of letters
    assert isinstance(hash(PLAIN), int)
    for given in ({"out": ""}, {"extra": [""]}):
        with pytest.raises(InputError, match="path is empty"):
            bake("rye", "stone", **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "named", "says"),
    [
        (("rye",), {}, r"^bake\(\) missing a required argument: 'oven'$"),
        (("rye", "stone"), {"sahpe": "loaf"}, r"^bake\(\) got an unexpected keyword argument 'sahpe'$"),
        (("rye", "stone", "loaf"), {}, r"^bake\(\) too many positional arguments$"),
        (("rye", "stone"), {"oven": "gas"}, r"^bake\(\) multiple values for argument 'oven'$"),
    ],
)
def test_a_wrong_call_is_a_type_error(given: tuple[str, ...], named: dict[str, Any], says: str) -> None:
    with pytest.raises(TypeError, match=says):
        bake(*given, **named)


def test_a_function_tells_its_signature_and_what_is_what() -> None:
    assert str(inspect.signature(bake)).startswith(
        "(flour: str | os.PathLike[str], oven: str, *, shape: Literal['loaf', 'roll'] = 'loaf', heat: float | None"
    )
    assert list(inspect.signature(bake).parameters)[-2:] == ["salt", "reporter"]
    assert (bake.__name__, bake.__module__) == ("bake", __name__)
    told = inspect.getdoc(bake) or ""
    assert told.startswith("Bake a bread.\n\nIt takes long.\n\nArgs:\n    flour: What is baked; see `shape`.\n")
    assert "    heat: Degrees of the oven; default: 180.5.\n" in told
    assert told.endswith("    reporter: Is told of the progress.\n\nRaises:\n    InputError: there is no flour.")


@pytest.fixture
def seen() -> list[Any]:
    """What the command below was given."""
    return []


@pytest.fixture
def baking(seen: list[Any]) -> typer.Typer:
    def run(
        params: BakeParams,
        dry: Annotated[bool, Option("Only tell."), Before("out")] = False,
        late: Annotated[int, Option("At the end.", min=0)] = 3,
    ) -> None:
        """Bake it."""
        seen.append((params, dry, late))

    made = typer.Typer()
    made.command()(command(run))
    return made


@pytest.mark.parametrize(
    ("given", "params", "own"),
    [
        (("rye", "--in", "stone"), PLAIN, (False, 3)),
        (("rye", "--in", "stone", "--dry", "--late", "0", "-o", "d"), replace(PLAIN, out="d"), (True, 0)),
        (("rye", "--in", "stone", "-t", "1", "--time", "2"), replace(PLAIN, times=(1, 2)), (False, 3)),
        (("rye", "--in", "stone", "--heat", "200C"), replace(PLAIN, heat=200.0), (False, 3)),
        (("rye", "--in", "stone", "--extra", "a"), replace(PLAIN, extra=("a",)), (False, 3)),
        (
            ("rye", "--in", "stone", "--notes", "a=b", "--notes", "c=d"),
            replace(PLAIN, notes={"a": "b", "c": "d"}),
            (False, 3),
        ),
        (
            ("rye", "--in", "stone", "--shape", "roll", "--cool-down"),
            replace(PLAIN, shape="roll", cool_down=True),
            (False, 3),
        ),
    ],
)
def test_a_command_gives_the_value(
    baking: typer.Typer, seen: list[Any], given: tuple[str, ...], params: BakeParams, own: tuple[bool, int]
) -> None:
    result = CliRunner().invoke(baking, given)
    assert result.exit_code == 0, result.output
    assert seen == [(params, *own)]


@pytest.mark.parametrize(
    "given",
    [
        ("rye",),
        ("--in", "stone"),
        ("rye", "--in", "stone", "--shape", "cake"),
        ("rye", "--in", "stone", "-t", "0"),
        ("rye", "--in", "stone", "--late", "-1"),
        ("rye", "--in", "stone", "--salt", "1"),
        ("rye", "--in", "stone", "--no-cool-down"),
    ],
)
def test_a_command_refuses_what_the_fields_exclude(
    baking: typer.Typer, seen: list[Any], given: tuple[str, ...]
) -> None:
    assert CliRunner().invoke(baking, given).exit_code == 2
    assert seen == []


def test_a_command_shows_its_options_in_order(baking: typer.Typer) -> None:
    """What must be given, the fields, what only the command has where it says so, and how is printed."""
    made: Any = typer.main.get_command(baking)
    assert made.help == "Bake it."
    shown = "flour oven shape heat times extra notes cool_down dry out late as_json quiet"
    assert [each.name for each in made.params][: len(shown.split())] == shown.split()


# Every verb: its class of parameters, its command, and the Python function where it has one.
COMMANDS = {
    "audit": ("one_step", "StepParams", None),
    "card": ("one_step", "CardParams", None),
    "convert": ("convert", "ConvertParams", "convert"),
    "detect check": ("detect", "CheckParams", "detect_check"),
    "detect fit": ("detect", "FitParams", "detect_fit"),
    "diff": ("diff", "DiffParams", "diff"),
    "execution": ("execution", "ExecutionParams", "execution"),
    "explain": ("explain", "ExplainParams", "explain"),
    "exposure": ("exposure", "ExposureParams", "exposure"),
    "latency": ("latency", "LatencyParams", "latency"),
    "lineage find": ("lineage", "LineageParams", "lineage"),
    "lineage index": ("lineage", "IndexParams", "lineage_index"),
    "patterns": ("execution", "PatternsParams", "execution_patterns"),
    "poison": ("poison", "PoisonParams", "poison"),
    "profile": ("one_step", "StepParams", None),
    "pull": ("pull", "PullParams", "pull"),
    "push": ("push", "PushParams", "push"),
    "slice": ("slice", "SliceParams", "slice"),
    "validate": ("validate", "ValidateParams", None),
    "verify": ("verify", "VerifyParams", "verify"),
}


def params_of(name: str) -> type[Params]:
    verb, kind, _ = COMMANDS[name]
    found: type[Params] = getattr(importlib.import_module(f"hubslice.verbs.{verb}.params"), kind)
    return found


def test_the_table_names_every_class_and_every_function() -> None:
    found = set()
    for info in pkgutil.walk_packages(hubslice.verbs.__path__, "hubslice.verbs."):
        if info.name.endswith(".params"):
            module = importlib.import_module(info.name)
            kinds = [kind for _, kind in inspect.getmembers(module, inspect.isclass) if kind.__module__ == info.name]
            found |= {kind for kind in kinds if issubclass(kind, Params)}
    assert found == set(map(params_of, COMMANDS))
    functions = {function for _, _, function in COMMANDS.values() if function} | {"plan_push"}
    assert functions == {name for name in hubslice.__all__ if name.islower()} - {"hold", "hold_callback", "load"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_field_is_an_option_of_the_command(name: str) -> None:
    made: Any = typer.main.get_command(app)
    for word in name.split():
        made = made.commands[word]
    shown = {each.name: each for each in made.params}
    for each in parameters(params_of(name)):
        assert each.about.help.endswith("."), each.name
        if isinstance(each.about, PythonOnly):
            assert each.name not in shown
            continue
        option = shown[each.name]
        assert option.help == each.about.help
        if isinstance(each.about, Option):
            assert each.flag.partition("/")[0] in option.opts
        if isinstance(each.default, bool | int | float | str):
            assert option.default == each.default, each.name
    assert {"as_json", "quiet"} <= set(shown)


FUNCTIONS = [("push", "plan_push"), *((name, entry[2]) for name, entry in COMMANDS.items() if entry[2])]


@pytest.mark.parametrize(("name", "function"), FUNCTIONS)
def test_every_field_is_in_the_signature_and_the_documentation(name: str, function: str) -> None:
    kind, made = params_of(name), getattr(hubslice, function)
    signature = inspect.signature(made)
    told = inspect.getdoc(made) or ""
    assert list(signature.parameters) == [each.name for each in parameters(kind)]
    lines = [line for line in told.partition("Args:\n")[2].splitlines() if line[:5].strip()]
    for each, line in zip(parameters(kind), lines, strict=False):
        parameter = signature.parameters[each.name]
        assert parameter.default == (inspect.Parameter.empty if each.default is MISSING else each.default)
        assert (parameter.kind is inspect.Parameter.KEYWORD_ONLY) == (not each.by_place)
        assert line.startswith(f"    {each.name}: ")
    assert "Raises:\n" in told
    assert signature.return_annotation not in (inspect.Signature.empty, None)


def test_neither_help_nor_documentation_loads_torch() -> None:
    code = (
        "import sys, hubslice, pydoc\n"
        "for name in ('diff', 'push', 'explain', 'slice', 'poison'):\n"
        "    assert 'reporter: ' in pydoc.render_doc(getattr(hubslice, name))\n"
        "from hubslice.app import run\n"
        "assert run(['diff', '--help']) == 0\n"
        "assert not {'torch', 'transformers', 'numpy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
