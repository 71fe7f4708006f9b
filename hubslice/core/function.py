"""Build Python functions from functions that take a verb's parameters as one object, with names, defaults and docs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import MISSING
from functools import wraps
from textwrap import fill
from typing import Final, ParamSpec, TypeVar, cast

from hubslice.core.foreign_errors import message_of
from hubslice.core.parameters import Params, parameters
from hubslice.core.progress import SILENT, Reporter

P = ParamSpec("P")
R = TypeVar("R")
Q = TypeVar("Q", bound=Params)

_FLAG: Final = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_RAISES: Final = "Raises:\n"
_WIDTH: Final = 100  # characters per line, inside the indentation of `help`


def takes(kind: Callable[P, Q]) -> Callable[[Callable[[Q, Reporter], R]], Callable[P, R]]:
    """Turn a function of a `kind` object and a reporter into one that takes the fields of `kind` as arguments.

    Its docstring lists the parameters, described by the command line's help texts.
    """
    fields = cast("type[Params]", kind)

    def make(work: Callable[[Q, Reporter], R]) -> Callable[P, R]:
        signature = _signature(fields, work.__annotations__["return"])

        @wraps(work)
        def function(*given: P.args, **named: P.kwargs) -> R:
            try:
                signature.bind(*given, **named)
            except TypeError as error:  # report the function's name, not the class's
                raise TypeError(f"{work.__name__}() {message_of(error)}") from None
            params = kind(*given, **named)
            return work(params, params.reporter or SILENT)

        function.__signature__ = signature  # type: ignore[attr-defined]
        function.__annotations__ = {each.name: each.annotation for each in signature.parameters.values()} | {
            "return": signature.return_annotation
        }
        function.__doc__ = _documentation(fields, inspect.getdoc(work) or "")
        return function

    return make


def _signature(kind: type[Params], result: object) -> inspect.Signature:
    ways = {True: inspect.Parameter.POSITIONAL_OR_KEYWORD, False: inspect.Parameter.KEYWORD_ONLY}
    taken = [
        inspect.Parameter(
            each.name,
            ways[each.by_place],
            default=inspect.Parameter.empty if each.default is MISSING else each.default,
            annotation=each.type,
        )
        for each in parameters(kind)
    ]
    return inspect.Signature(taken, return_annotation=result)


def _documentation(kind: type[Params], doc: str) -> str:
    """Insert a list of the parameters, with their Python names, into the docstring before its Raises section."""
    names = {each.flag: f"`{each.name}`" for each in parameters(kind)}
    lines = []
    for each in parameters(kind):
        told = _FLAG.sub(lambda flag: names.get(flag[0], flag[0]), each.about.help)
        lines.append(fill(f"{each.name}: {told}", _WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 8))
    what, raises, errors = doc.partition(_RAISES)
    return "\n".join([what.rstrip(), "", "Args:", *lines, "", raises + errors]).rstrip()
