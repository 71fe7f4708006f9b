r"""Escape untrusted text for the place where it is shown: one function per output format.

Names of classes, files, tensors and models, and texts of a server or a library, must not control a terminal, break a
line, become Markdown, HTML, YAML or a formula, or hide. Invisible characters are written as Python escapes: `\x1b`,
`\u202e`. All functions are idempotent, except those for Markdown. JSON output stays exact.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any, Final

NAME: Final = 200  # maximum characters of a name; longer ones are cut in the middle
LINE: Final = 2_000  # maximum characters of a line, such as a message with several names
LABEL: Final = 40  # maximum characters of a label in a plot

# Default_Ignorable_Code_Point in Unicode's DerivedCoreProperties.txt: fonts draw nothing for these characters. Without
# U+FE0E and U+FE0F, which select how the preceding emoji is drawn.
_IGNORABLE: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0d"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# Letters and symbols with an empty glyph: Braille, Egyptian hieroglyphs, Khitan script and musical symbols.
_EMPTY_GLYPHS: Final = "\u2800\U00013441\U00013442\U00016fe4\U0001d159"
_BLANK: Final = re.compile(f"[{_IGNORABLE}{_EMPTY_GLYPHS}]")
_MARKUP: Final = re.compile(r"(?i)([\\`*_{}\[\]<>|#~$&@]|(?<=http):|(?<=https):|(?<=www)\.)")
_LEADING: Final = re.compile(r"^(\d*)([-+=.)])(?=[-=\s]|$)")  # the start of a list item, or a heading's underline
_BREAKING: Final = frozenset(
    ("Cc", "Cs", "Zl", "Zp")
)  # Unicode categories of controls and line ends, and what is not valid UTF-8
_EMPTY: Final = "(empty)"


def line(value: object, most: int = LINE) -> str:
    """Return one line for a terminal, a log or a message, of at most `most` characters."""
    text = str(value)
    return cut(text if _plain(text) else "".join(map(_visible, text)), most)


def named(value: object) -> str:
    """Return a name for use within a line."""
    return line(value, NAME)


def lines(value: object) -> str:
    """Return multi-line text for a terminal or an HTML page; line ends and tabs are kept, nothing is cut."""
    return _each_line(str(value), lambda sign: sign if sign == "\t" else _visible(sign))


def record(value: object) -> str:
    """Return a value for scripts, such as a path, as one line: exact except for line ends and controls."""
    return "".join(_visible(sign) if unicodedata.category(sign) in _BREAKING else sign for sign in str(value))


def json_text(data: object, indent: int | None = None, *, only_ascii: bool = False) -> str:
    """Return JSON of exact data in which invisible characters and those invalid in UTF-8 are escaped by JSON's rules.

    With `only_ascii`, everything that is not ASCII is escaped as well.
    """
    return _each_line(json.dumps(data, indent=indent, ensure_ascii=only_ascii, default=str), _json_sign)


def markdown(value: object, most: int = 2 * NAME) -> str:
    """Return text for a line or a table cell of Markdown, with all markup in it escaped."""
    text = _MARKUP.sub(r"\\\1", line(" ".join(str(value).split()) or _EMPTY, most))
    return _LEADING.sub(r"\1\\\2", text)


def markdown_code(value: object) -> str:
    """Return inline code for Markdown, also valid within a table cell."""
    text = named(" ".join(str(value).split())) or _EMPTY
    if "|" in text:  # ends a table cell even within backticks, and a backslash before it would be shown outside tables
        return f"<code>{''.join(sign if sign.isalnum() or sign == ' ' else f'&#{ord(sign)};' for sign in text)}</code>"
    fence = "`" * (longest_run(text) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def longest_run(text: str) -> int:
    """Return the length of the longest run of backticks."""
    return max((len(run) for run in re.findall("`+", text)), default=0)


def yaml_value(value: Any) -> Any:
    """Return a value for a card's YAML header, with every text in it on one line."""
    match value:
        case str():
            return line(value)
        case dict():
            return {yaml_value(key): yaml_value(each) for key, each in value.items()}
        case list() | tuple():
            return [yaml_value(each) for each in value]
    return value


def plot_label(value: object, most: int = LABEL, *, last: bool = False) -> str:
    """Return a label for a plot. Matplotlib omits labels starting with `_` from legends, so they get a leading space.

    The style of all figures switches off formulas between `$`.
    """
    text = line(value)
    text = f"…{text[1 - most :]}" if last and len(text) > most else cut(text, most)
    return f" {text}" if text.startswith("_") else text


def cut(text: str, most: int) -> str:
    """Return the text with its middle replaced by `…` if it is longer than `most` characters."""
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return f"{text[: most - 1 - tail]}…{text[len(text) - tail :]}"


def _plain(text: str) -> bool:
    return text.isprintable() and not _BLANK.search(text)


def _visible(sign: str) -> str:
    return sign if _plain(sign) else sign.encode("unicode_escape", "surrogatepass").decode()


def _json_sign(sign: str) -> str:
    return sign if _plain(sign) else json.dumps(sign)[1:-1] if ord(sign) != 0x7F else "\\u007f"


def _each_line(text: str, written: Callable[[str], str]) -> str:
    return "\n".join(each if _plain(each) else "".join(map(written, each)) for each in text.split("\n"))
