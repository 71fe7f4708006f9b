"""The command line: `hubslice`, and `hf hubslice` as an extension of the `hf` command.

Every command lives in one file of this package that defines `register(app)`; COMMANDS lists them in help order. Command
modules import torch and other slow packages inside their functions, so that help and checks stay fast.
"""

from __future__ import annotations

import inspect
import io
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from typing import Annotated, Any

import typer

from hubslice.core.errors import HubsliceWarning, InputError
from hubslice.core.escaping import line, lines
from hubslice.core.library_bars import bars_hidden
from hubslice.core.plugins import plugins
from hubslice.terminal.ending import received
from hubslice.terminal.errors import INTERRUPTED, describe
from hubslice.terminal.hints import fitting, options_of
from hubslice.terminal.options import JsonOption, QuietOption, examples
from hubslice.terminal.output import out
from hubslice.verbs.convert import cli as convert
from hubslice.verbs.detect import cli as detect
from hubslice.verbs.diff import cli as diff
from hubslice.verbs.doctor import cli as doctor
from hubslice.verbs.execution import cli as execution
from hubslice.verbs.explain import cli as explain
from hubslice.verbs.exposure import cli as exposure
from hubslice.verbs.info import cli as info
from hubslice.verbs.latency import cli as latency
from hubslice.verbs.lineage import cli as lineage
from hubslice.verbs.one_step import cli as steps
from hubslice.verbs.poison import cli as poison
from hubslice.verbs.pull import cli as pull
from hubslice.verbs.push import cli as push
from hubslice.verbs.recipes import cli as recipes
from hubslice.verbs.slice import cli as slice  # noqa: A004
from hubslice.verbs.validate import cli as validate
from hubslice.verbs.verify import cli as verify

COMMANDS = (
    pull,
    slice,
    push,
    verify,
    validate,
    recipes,
    steps,
    info,
    convert,
    latency,
    explain,
    detect,
    diff,
    lineage,
    exposure,
    execution,
    poison,
    doctor,
)

app = typer.Typer(
    name="hubslice",
    help="Slice Hub teachers to the weights a task needs, leave their defects behind, and publish the proof.\n\n"
    "Results go to stdout, all else to stderr. In a pipe, tables are separated by tabs, below a line of headings.",
    epilog=examples(
        "hubslice recipes copy general/minimal recipe.yaml",
        "hubslice validate recipe.yaml",
        "hubslice slice recipe.yaml",
        "hubslice push runs/my-student owner/my-student",
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        out.line(f"hubslice {version('hubslice')}")
        raise typer.Exit


def _traceback(wanted: bool) -> None:
    out.traceback = out.traceback or wanted


@app.callback()
def _options(
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    show_traceback: Annotated[
        bool,
        typer.Option(
            "--traceback", callback=_traceback, help="Show where an error came from; also HUBSLICE_TRACEBACK=1."
        ),
    ] = False,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


def _flow(group: typer.Typer) -> None:
    """Reflow the paragraphs of every command's docstring to the terminal's width, ignoring the source's line breaks."""
    for command in group.registered_commands:
        paragraphs = (inspect.getdoc(command.callback) or "").split("\n\n")
        command.help = command.help or "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    for inner in group.registered_groups:
        if inner.typer_instance:
            _flow(inner.typer_instance)


def _register() -> str | None:
    """Register all commands; returns what is wrong with commands of other packages, which are then left out."""
    for command in COMMANDS:
        command.register(app)
    try:
        for command in plugins("verbs"):
            command.register(app)
    except InputError as error:
        return f"{error.headline} ({error.hint})"
    return None


_TROUBLE = _register()
_flow(app)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. Errors are printed on stderr, never raised."""
    _set_output(arguments)
    try:
        with _warnings_told(), bars_hidden():
            if _TROUBLE is not None:
                out.warning(_TROUBLE)
            # Typer prints usage errors itself, with the arguments as they are. With --json, and where arguments contain
            # control characters (for example file names expanded by a shell), usage errors are raised and printed
            # below.
            plain = all(line(argument) == argument for argument in arguments)
            code = app(list(arguments), prog_name="hubslice", standalone_mode=plain and out.mode != "json")
    except SystemExit as exit_:
        code = exit_.code
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as error:
        if out.traceback:
            out.trace(traceback.format_exc())
        return _tell(received() or error, arguments)  # workers get the signal too, and their loss may be noticed first
    finally:
        with suppress(OSError):  # the terminal was closed
            out.close()
    if code == INTERRUPTED:  # Typer also turns Ctrl-C and other interrupts into this code
        return _tell(received() or KeyboardInterrupt(), arguments)
    return code if isinstance(code, int) else 0


def tell_end(error: BaseException, arguments: Sequence[str]) -> int:
    """Report an error that ended the command line outside `run`; returns the exit code."""
    _set_output(arguments)
    return _tell(error, arguments)


def _set_output(arguments: Sequence[str]) -> None:
    out.mode = "json" if "--json" in arguments else "human"  # also needed for errors in the options themselves
    out.traceback = bool(os.environ.get("HUBSLICE_TRACEBACK"))


def _tell(error: BaseException, arguments: Sequence[str]) -> int:
    """Report why the command ended; returns the exit code."""
    failure = describe(error)
    hint = failure.hint and fitting(failure.hint, options_of(app, arguments))
    with suppress(OSError):
        out.error(failure.message, hint=hint, exit_code=failure.exit_code)
    return failure.exit_code


@contextmanager
def _warnings_told() -> Iterator[None]:
    """Print hubslice's own warnings in the command line's format; all other warnings are handled as before."""
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, HubsliceWarning):
                out.warning(str(message))
            else:
                usual(message if lines(message) == str(message) else lines(message), category, *where, **more)

        warnings.showwarning = show
        warnings.simplefilter("always", HubsliceWarning)
        yield


class _LogRecord(logging.LogRecord):
    """A log record with an escaped message, since libraries may quote text from a model's files."""

    def getMessage(self) -> str:  # noqa: N802
        return lines(super().getMessage())


def start(arguments: Sequence[str]) -> int:
    """Run one command line as the whole process, configuring its streams and logging; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names may not be encodable in the terminal's encoding
    logging.setLogRecordFactory(_LogRecord)
    return run(arguments)
