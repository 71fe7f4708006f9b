"""Read texts from users: a file with one text per line, a table with a text column, or a dataset on the Hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets.exceptions import DatasetsError

from hubslice.core.errors import DataError
from hubslice.core.foreign_errors import message_of
from hubslice.recipe.problems import suggest
from hubslice.recipe.schema import DataParams
from hubslice.task.hub import from_hub
from hubslice.task.loading import load

KINDS = (
    "a .txt file with one text a line, .csv, .tsv, .parquet or .jsonl with a column of texts, or a data set's Hub id"
)
LONGEST = 50_000  # characters of a text: no text classifier reads that many, and a search processes all of them
LARGEST = 256 << 20  # bytes of a file of texts
USUAL = ("text", "sentence")  # names of the column
# Format names of `datasets` and reading options: "NA" and "null" are texts.
FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    ".csv": ("csv", {"keep_default_na": False}),
    ".tsv": ("csv", {"keep_default_na": False, "sep": "\t"}),
    ".parquet": ("parquet", {}),
    ".jsonl": ("json", {}),
}


@dataclass(frozen=True)
class GivenTexts:
    """Texts in a fixed order with their names; none is blank."""

    source: str
    names: tuple[str, ...]
    texts: tuple[str, ...]


def open_texts(data: str, column: str | None) -> GivenTexts:
    """Open the texts of a file, or of a dataset on the Hub: its training split, else the first split.

    In a table the texts are in `column`, by default the one named text or sentence.

    Raises:
        DataError: there are none, they cannot be read, or a text exceeds `LONGEST`, or the file `LARGEST`.
        FetchError: the dataset cannot be fetched from the Hub.
    """
    path = Path(data)
    if path.is_file() and path.suffix != ".parquet" and (size := path.stat().st_size) > LARGEST:
        raise DataError(
            f"{path} has {size / (1 << 20):,.1f} MiB, and a file of texts may have {LARGEST >> 20}",
            hint=f"give fewer texts, for instance: shuf -n 10000 {path} > some{path.suffix}",
        )
    if path.suffix == ".txt":
        if column is not None:
            raise DataError(f"{path} has no columns", hint="leave out --column, or give a table")
        found = [(f"{path.name}:{line}", text) for line, text in enumerate(_lines(path), 1)]
        for line, (_, text) in enumerate(found, 1):
            _check(text, f"line {line} of {path}")
    else:
        rows = _rows(data, path)
        name = _column(rows, column, data)
        found = [(f"{path.name}[{row}]", _text(value, data, row)) for row, value in enumerate(rows[name])]
    kept = [(name, text) for name, text in found if text.strip()]
    if not kept:
        raise DataError(f"{data} holds no texts", hint=f"inputs are {KINDS}")
    return GivenTexts(data, tuple(name for name, _ in kept), tuple(text for _, text in kept))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError as error:
        raise DataError(f"there is nothing at {path}", hint=f"inputs are {KINDS}") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8: byte {error.start} is {path.read_bytes()[error.start]:#04x}",
            hint=f"convert it, for instance: iconv -f LATIN1 -t UTF-8 {path}",
        ) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", hint=f"inputs are {KINDS}") from error


def _rows(data: str, path: Path) -> Any:
    on_hub = not path.exists() and not path.suffix and not data.startswith((".", "/")) and data.count("/") == 1
    if not on_hub and (not path.is_file() or path.suffix not in FORMATS):
        what = "is a folder" if path.is_dir() else "is no file of texts" if path.exists() else "is not there"
        raise DataError(f"{path} {what}; the models take texts", hint=f"inputs are {KINDS}")
    kind, options = FORMATS.get(path.suffix, ("data set", {}))
    try:
        if on_hub:
            splits, _ = from_hub(DataParams.model_validate({"path": data}), path)
        else:
            splits = load(kind, data_files=str(path), **options)
    except (DatasetsError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as {kind}: {message_of(error.__cause__ or error)}",
            hint="mend it; tables are UTF-8, the first line of .csv and .tsv names the columns",
        ) from error
    return splits["train"] if "train" in splits else next(iter(splits.values()))


def _column(rows: Any, wanted: str | None, data: str) -> str:
    names = list(rows.column_names)
    found = wanted if wanted is not None else next((name for name in USUAL if name in names), None)
    if found in names:
        return str(found)
    told = f"no column {wanted!r}{suggest(wanted, names)}" if wanted else f"neither a column {' nor '.join(USUAL)}"
    raise DataError(f"{data} has {told}; its columns are {', '.join(names)}", hint="name it: --column NAME")


def _text(value: Any, data: str, row: int) -> str:
    """Convert a value to text, including numbers; None is blank."""
    if value is None:
        return ""
    text = str(value)
    if not isinstance(value, str | int | float) or any("\ud800" <= character <= "\udfff" for character in text):
        raise DataError(f"row {row} of {data} holds no text but {text[:40]!a}", hint="name another column: --column")
    _check(text, f"row {row} of {data}")
    return text


def _check(text: str, where: str) -> None:
    if len(text) > LONGEST:
        raise DataError(
            f"{where} has {len(text):,} characters, and a text may have {LONGEST:,}: it begins {text[:40]!a}",
            hint="cut it into several texts, or take it away",
        )
    if "\0" in text:
        raise DataError(
            f"{where} is no text: it has a NUL character after {text[: text.index(chr(0))][-40:]!a}",
            hint="mend it, or give a file of plain text",
        )
