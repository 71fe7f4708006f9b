r"""Text that strangers decide, made safe for where it is shown: one function for each place.

Names of classes, files, tensors and models, texts of a server or a library: none may steer a terminal, break a line,
become Markdown, HTML, YAML or a formula, or hide. What cannot be seen is written as Python writes it: `\x1b`, `\u202e`.
Every function gives the same when it is applied to its own result, but for Markdown's. JSON output stays exact.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any, Final

NAME: Final = 200  # characters of a name; of longer ones the middle is cut out
LINE: Final = 2_000  # characters of a line, such as a message with several names
LABEL: Final = 40  # characters of a label in a plot

# Default_Ignorable_Code_Point in Unicode's DerivedCoreProperties.txt: fonts show nothing for them. Without U+FE0E and
# U+FE0F, which choose how the emoji before them is drawn.
_IGNORABLE: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0d"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# Letters and symbols whose glyph is empty: in Braille, Egyptian hieroglyphs, Khitan script and music.
_EMPTY_GLYPHS: Final = "\u2800\U00013441\U00013442\U00016fe4\U0001d159"
_BLANK: Final = re.compile(f"[{_IGNORABLE}{_EMPTY_GLYPHS}]")
_MARKUP: Final = re.compile(r"(?i)([\\`*_{}\[\]<>|#~$&@]|(?<=http):|(?<=https):|(?<=www)\.)")
_LEADING: Final = re.compile(r"^(\d*)([-+=.)])(?=[-=\s]|$)")  # what begins a list or underlines a heading
_BREAKING: Final = frozenset(
    ("Cc", "Cs", "Zl", "Zp")
)  # Unicode's classes of controls, line ends, and what is not UTF-8
_EMPTY: Final = "(empty)"


def line(value: object, most: int = LINE) -> str:
    """One line for a terminal, a log or a message, of at most `most` characters."""
    text = str(value)
    return cut(text if _plain(text) else "".join(map(_visible, text)), most)


def named(value: object) -> str:
    """A name within a line."""
    return line(value, NAME)


def lines(value: object) -> str:
    """Text of several lines for a terminal or an HTML page; line ends and tabs stay, nothing is cut."""
    return _each_line(str(value), lambda sign: sign if sign == "\t" else _visible(sign))


def record(value: object) -> str:
    """A value that a script reads, such as a path: exact, but for line ends and controls, so that it is one line."""
    return "".join(_visible(sign) if unicodedata.category(sign) in _BREAKING else sign for sign in str(value))


def json_text(data: object, indent: int | None = None, *, only_ascii: bool = False) -> str:
    """JSON of exact data, in which what cannot be seen, or not be written as UTF-8, is escaped by JSON's rules.

    With `only_ascii`, so is all that is not ASCII.
    """
    return _each_line(json.dumps(data, indent=indent, ensure_ascii=only_ascii, default=str), _json_sign)


def markdown(value: object, most: int = 2 * NAME) -> str:
    """Text within a line or a table's cell of Markdown, with all markup in it made harmless."""
    text = _MARKUP.sub(r"\\\1", line(" ".join(str(value).split()) or _EMPTY, most))
    return _LEADING.sub(r"\1\\\2", text)


def markdown_code(value: object) -> str:
    """Inline code of Markdown, also within a table's cell."""
    text = named(" ".join(str(value).split())) or _EMPTY
    if "|" in text:  # ends a table's cell even within backticks, and its backslash would be shown elsewhere
        return f"<code>{''.join(sign if sign.isalnum() or sign == ' ' else f'&#{ord(sign)};' for sign in text)}</code>"
    fence = "`" * (longest_run(text) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def longest_run(text: str) -> int:
    """The number of backticks in the longest run of them."""
    return max((len(run) for run in re.findall("`+", text)), default=0)


def yaml_value(value: Any) -> Any:
    """A value of a card's YAML head: every text in it on one line."""
    match value:
        case str():
            return line(value)
        case dict():
            return {yaml_value(key): yaml_value(each) for key, each in value.items()}
        case list() | tuple():
            return [yaml_value(each) for each in value]
    return value


def plot_label(value: object, most: int = LABEL, *, last: bool = False) -> str:
    """A label in a plot. Matplotlib leaves what begins with `_` out of legends, so that gets a space before it.

    Formulas between `$` are switched off in the style of all figures.
    """
    text = line(value)
    text = f"…{text[1 - most :]}" if last and len(text) > most else cut(text, most)
    return f" {text}" if text.startswith("_") else text


def cut(text: str, most: int) -> str:
    """The text with its middle replaced by `…` where it is longer than `most` characters."""
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
