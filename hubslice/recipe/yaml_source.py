"""Parse YAML to plain data, with the position of every key.

Scalars follow the YAML 1.2 core schema: `1e-3` is a number, while `no` and `2024-01-01` are text. Surprising constructs
are refused: repeated keys, tags, merge keys, terminal control characters, and documents that become too large when
their aliases are expanded.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import NamedTuple

import yaml

from hubslice.core.errors import RecipeError

KeyPath = tuple[str | int, ...]
Plain = str | int | float | bool | None | list["Plain"] | dict[str, "Plain"]

NO_RECIPE = "`hubslice recipes copy general/minimal recipe.yaml` writes one to begin with"
MAX_BYTES = 256 * 1024
MAX_VALUES = 10_000  # counted after expanding aliases
MAX_DEPTH = 32
MAX_KEY = 100  # characters

# Control characters except tab and line break, marks that change the writing direction, lone surrogates.
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_STR = "tag:yaml.org,2002:str"
_CORE = {
    "tag:yaml.org,2002:null": (re.compile(r"^(?:~|null|Null|NULL|)$"), [*"~nN", ""]),
    "tag:yaml.org,2002:bool": (re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), [*"tTfF"]),
    "tag:yaml.org,2002:int": (re.compile(r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"), [*"-+0123456789"]),
    "tag:yaml.org,2002:float": (
        re.compile(
            r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
        ),
        [*"-+.0123456789"],
    ),
}


class Position(NamedTuple):
    """A position in the text; line and column count from 1."""

    line: int
    column: int


class Slip(NamedTuple):
    """A mistake that leaves the rest of the document readable; `lost` if it left no value at `path`."""

    path: KeyPath
    position: Position
    message: str
    lost: bool


@dataclass
class YamlSource:
    """A document as plain data, the position of each key (of each item in lists), and the mistakes found on the way."""

    data: Plain = None
    positions: dict[KeyPath, Position] = field(default_factory=dict)
    slips: list[Slip] = field(default_factory=list)


class _CoreLoader(yaml.SafeLoader):
    """Composes nodes whose scalars are resolved by the YAML 1.2 core schema."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # PyYAML's own attribute


class _CoreDumper(yaml.SafeDumper):
    """Quotes text that either YAML 1.1 or YAML 1.2 would read as something else."""


for _tag, (_pattern, _first) in _CORE.items():
    _CoreLoader.add_implicit_resolver(_tag, _pattern, _first)
    _CoreDumper.add_implicit_resolver(_tag, _pattern, _first)


def read_yaml(text: str, origin: str) -> YamlSource:
    """Parse one document; an empty one gives None as data.

    Raises:
        RecipeError: the syntax is invalid, or the document is too large; the message names `origin` and the line.
    """
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise RecipeError(f"{origin} is no recipe: longer than {MAX_BYTES // 1024} KiB", hint=NO_RECIPE)
    source = YamlSource()
    try:
        loader = _CoreLoader(text)
        root = loader.get_single_node()
        if root is not None:
            source.data = _Reader(source, origin).read(root, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{origin}:{mark.line + 1}" if mark else origin
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise RecipeError("the recipe is not valid YAML", [f"{place}: {what}"], hint=_syntax_hint(what)) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise RecipeError(
            "the recipe is not valid YAML", [f"{origin}:{line}: character U+{error.character:04X} is not allowed"]
        ) from error
    except RecursionError as error:
        raise RecipeError(f"{origin} is no recipe: nested too deeply", hint=NO_RECIPE) from error
    return source


def dump_yaml(data: Plain) -> str:
    """Write plain data so that `read_yaml` returns it unchanged, with keys in their order."""
    return yaml.dump(data, Dumper=_CoreDumper, sort_keys=False, allow_unicode=True, width=100)


def _syntax_hint(problem: str) -> str | None:
    if "\\t" in problem:
        return "indent with spaces, YAML takes no tabs"
    if "mapping values are not allowed" in problem:
        return "put text that holds `: ` in quotes"
    return None


class _Reader:
    """Converts nodes to data itself: PyYAML's constructors would hide repeated keys and positions."""

    def __init__(self, source: YamlSource, origin: str) -> None:
        self.source = source
        self.origin = origin
        self.values = 0

    def read(self, node: yaml.Node, path: KeyPath) -> Plain:
        self.values += 1
        if self.values > MAX_VALUES or len(path) > MAX_DEPTH:
            limit = f"{MAX_VALUES:,} values" if self.values > MAX_VALUES else f"{MAX_DEPTH} levels"
            raise RecipeError(
                f"{self.origin}:{_position(node).line}: the document grows beyond {limit} "
                "when its aliases are written out",
                hint="recipes are small; an alias (*) counts with all that it stands for",
            )
        self.source.positions.setdefault(path, _position(node))
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and (node.tag == _STR or node.tag in _CORE):
            return self._scalar(node, path)
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")[:MAX_KEY]
        self._slip(path, node, f"the tag {tag} is not allowed; recipes hold plain values only")
        return None

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Plain]:
        data: dict[str, Plain] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._slip(path, key_node, "keys must be plain text", lost=False)
                continue
            key: str = key_node.value
            if len(key) > MAX_KEY or "\n" in key or _STEERING.search(key):
                self._slip(path, key_node, f"keys must be one line of at most {MAX_KEY} printable characters", False)
                continue
            if key == "<<":
                self._slip(path, key_node, "merge keys (<<) are not taken; write the keys out", lost=False)
                continue
            below = (*path, key)
            if key in data:
                first = self.source.positions[below].line
                self._slip(below, key_node, f"given twice; it is already there on line {first}", lost=False)
                continue
            self.source.positions[below] = _position(key_node)
            data[key] = self.read(value_node, below)
        return data

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Plain:
        text: str = node.value
        if found := _STEERING.search(text):
            self._slip(path, node, f"character U+{ord(found[0]):04X} is not allowed")
            return None
        fits = node.tag == _STR or _CORE[node.tag][0].match(text)  # an explicit tag such as !!int may not match
        match node.tag.rpartition(":")[2] if fits else None:
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int" if len(text) <= 400:  # far beyond any key's range, and below Python's conversion limit
                return int(text, 0 if text.startswith(("0o", "0x")) else 10)
            case "float" if math.isfinite(number := float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))):
                return number
            case "str":
                return text
        self._slip(path, node, f"{text[:40]!r} is not a value that a recipe can use")
        return None

    def _slip(self, path: KeyPath, node: yaml.Node, message: str, lost: bool = True) -> None:
        self.source.slips.append(Slip(path, _position(node), message, lost))


def _position(node: yaml.Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)
