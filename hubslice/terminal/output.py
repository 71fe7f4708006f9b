"""The only module that prints: data on stdout, everything else on stderr.

Three modes. human: tables and prose, bars on a terminal. json: one JSON document on stdout, errors as JSON on stderr.
quiet: on stdout only what a script needs, on stderr only warnings and errors.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel

from hubslice.core.cells import cell, flat, is_number
from hubslice.core.escaping import json_text, line, lines, named, record
from hubslice.core.progress import Reporter, Silent
from hubslice.hub.secret import masked
from hubslice.terminal.layout import GAP, column_widths
from hubslice.terminal.printable import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_STYLES = {
    **dict.fromkeys(("ok", "passed"), "green"),
    **dict.fromkeys(("warn", "not checked"), "yellow"),
    **dict.fromkeys(("fail", "failed", "differs"), "bold red"),
}

CELL = 1_000  # characters of a table cell

Mode = Literal["human", "json", "quiet"]
Data = Mapping[str, object] | BaseModel


class Output:
    """The output of a command. Commands use the module's `out`; `--json`, `--quiet` and `--traceback` configure it."""

    def __init__(self) -> None:
        self.mode: Mode = "human"
        self.traceback = False
        self._live: Reporter | None = None

    @property
    def terminal(self) -> bool:
        """Whether stdout is a terminal."""
        return sys.stdout.isatty()

    def result(
        self,
        data: Data,
        human: Callable[[], None] | RenderableType | None = None,
        *,
        quiet: object = None,
    ) -> None:
        """Print the result of the command.

        Args:
            data: the JSON document.
            human: prints it for people, or what to print; default: the fields of `data`.
            quiet: the one value that a script needs, such as a path, or a list of them; default: nothing.
        """
        self.close()
        plain = data.model_dump(mode="json") if isinstance(data, BaseModel) else data
        match self.mode:
            case "json":
                self._json(plain)
            case "quiet":
                if quiet is not None:
                    self._values(quiet if isinstance(quiet, list) else [quiet])
            case "human" if human is None:
                self.fields(plain)
            case "human" if callable(human):
                human()
            case "human":
                self._stdout().print(human, markup=False, emoji=False, highlight=False, soft_wrap=True)

    def table(
        self, rows: Sequence[Mapping[str, object]], columns: Mapping[str, str], piped: Mapping[str, str] | None = None
    ) -> None:
        """Print rows below their headings: aligned on a terminal, separated by tabs in a pipe.

        If quiet only the first column, without its heading; as JSON all keys. On a terminal, columns that are empty in
        all rows are omitted; in a pipe they are kept, so that positions are fixed.

        Args:
            rows: what to show.
            columns: the headings of the keys to show, each with its unit, such as `TIME (ms)`.
            piped: the headings in a pipe, if they differ.
        """
        self.close()
        if self.mode == "json":
            self._json(rows)
        elif self.mode == "quiet":
            self._values(row.get(next(iter(columns))) for row in rows)
        elif not self.terminal:
            columns = piped or columns
            told = (
                map(_cell, columns.values()),
                *([_cell(row.get(key), grouped=False) for key in columns] for row in rows),
            )
            self._lines("\t".join(each) for each in told)
        else:
            from rich.table import Table
            from rich.text import Text

            filled = {key: head for key, head in columns.items() if any(_cell(row.get(key)) for row in rows)} or columns
            cells = [[_cell(row.get(key)) for key in filled] for row in rows]
            console = self._stdout()
            heads = [_cell(head) for head in filled.values()]
            widths = column_widths([*zip(heads, *cells, strict=True)], console.width)
            table = Table(box=None, pad_edge=False, header_style="bold", width=sum(widths) + GAP * (len(widths) - 1))
            for key, head, width in zip(filled, heads, widths, strict=True):
                right = all(row.get(key) is None or is_number(row[key]) for row in rows)
                justify: Literal["right", "left"] = "right" if right else "left"
                table.add_column(Text(head), width=width, overflow="fold", justify=justify)
            for told_row in cells:
                table.add_row(*(Text(each, style=_STYLES.get(each, "")) for each in told_row))
            console.print(table, crop=False)

    def fields(self, data: Mapping[str, object]) -> None:
        """Print names and values, one per line; a JSON object in json mode, nothing if quiet."""
        self.close()
        if self.mode == "json":
            self._json(data)
        elif self.mode == "human":
            told = {named(name): _cell(value) for name, value in flat(data)}
            width = max(map(len, told), default=0)
            self._lines(f"{name:<{width}}  {value}".rstrip() for name, value in told.items())

    def line(self, text: str = "") -> None:
        """Print one line for people, in every mode."""
        self.close()
        self._write(printable(text))

    def text(self, text: str) -> None:
        """Print text unchanged, in every mode: for commands whose result is a file's content.

        On a terminal, control characters are made visible.
        """
        self.close()
        self._write(lines(text) if sys.stdout.isatty() else text)

    def info(self, message: str) -> None:
        """Print information about what happens, on stderr."""
        if self.mode == "human":
            self._say("", message, "")

    def hint(self, message: str) -> None:
        """Print what users may do next, on stderr."""
        if self.mode == "human":
            self._say("hint: ", message, "cyan")

    def warning(self, message: str) -> None:
        """Print a warning on stderr, in every mode."""
        if self.mode == "json":
            self._say("", json_text({"warning": masked(message)}), "")
        else:
            self._say("warning: ", message, "yellow")

    def error(self, message: str, *, hint: str | None, exit_code: int) -> None:
        """Print why the command ended, on stderr, in every mode."""
        self.close()
        if self.mode == "json":
            told = {"error": masked(message), "hint": hint and masked(hint), "exit_code": exit_code}
            self._say("", json_text(told), "")
            return
        for number, part in enumerate(message.split("\n")):
            self._say("" if number else "error: ", part, "bold red")
        if hint:
            self._say("hint: ", hint, "cyan")

    def trace(self, text: str) -> None:
        """Print a traceback on stderr, in every mode."""
        self.close()
        sys.stderr.write(lines(masked(text)))

    def progress(self) -> Reporter:
        """Return the reporter for a run: bars on a terminal, one line per step elsewhere, silent for machines."""
        self.close()
        if self.mode != "human":
            return Silent()
        from hubslice.terminal.reporters import Lines, Live

        self._live = Live() if sys.stderr.isatty() else Lines("still at work")
        return self._live

    def close(self) -> None:
        """Remove bars that are still shown."""
        live, self._live = self._live, None
        stop = getattr(live, "stop", None)
        if stop:
            stop()

    def _say(self, label: str, message: str, style: str) -> None:
        message = message if self.mode == "json" else printable(message)
        if self.mode == "json" or not sys.stderr.isatty():
            sys.stderr.write(f"{label}{message}\n")
            return
        from rich.console import Console
        from rich.text import Text

        Console(stderr=True).print(Text.assemble((label, style), message), soft_wrap=True)

    def _json(self, data: object) -> None:
        self._write(json_text(data, 2, only_ascii=not (sys.stdout.encoding or "").lower().startswith("utf")))

    def _lines(self, texts: Iterable[str]) -> None:
        for text in texts:
            self._write(text)

    def _values(self, values: Iterable[object]) -> None:
        shown = line if sys.stdout.isatty() else record
        self._lines(shown(masked(cell(value, grouped=False))) for value in values)

    def _write(self, text: str) -> None:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")

    def _stdout(self) -> Console:
        from rich.console import Console

        return Console()


def _cell(value: object, *, grouped: bool = True) -> str:
    return line(masked(cell(value, grouped=grouped)).replace("\n", " ").replace("\t", " "), CELL)


out = Output()
