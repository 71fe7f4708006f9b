"""Text mutations that imitate human errors: characters within words, and words.

Each changes one position, drawn among all possible ones; a text without such a position is unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

LETTER = re.compile(r"[^\W\d_]")
PAIR = re.compile(r"(?=[^\W\d_]{2})")  # before two letters
WORD = re.compile(r"\S+")
WORDS = re.compile(r"(?=(?<!\S)(\S+)(\s+)(\S+))")  # before two words
BETWEEN = re.compile(r"(?<=\S)\s+(?=\S)")

ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")  # of a keyboard; keys by their neighbours:
KEYS = {key: row[max(at - 1, 0) : at] + row[at + 1 : at + 2] for row in ROWS for at, key in enumerate(row)}
LOOKS = {  # digits and signs, and Cyrillic letters
    "a": "@\u0430",
    "b": "6",
    "c": "\u0441",
    "e": "3\u0435",
    "g": "9",
    "i": "1\u0456",
    "l": "1|",
    "o": "0\u043e",
    "p": "\u0440",
    "s": "5$\u0455",
    "t": "7",
    "x": "\u0445",
    "y": "\u0443",
    "z": "2",
}

Edit = Callable[[np.random.Generator, str], str]


@dataclass(frozen=True)
class TextOperator:
    """`edit` returns the changed text, or the text itself."""

    name: str
    title: str
    edit: Edit


def _at(pattern: re.Pattern[str], change: Callable[[np.random.Generator, re.Match[str]], str], span: int = 0) -> Edit:
    """Replace a random match by `change`, or `span` characters if a match has no width."""

    def edit(rng: np.random.Generator, text: str) -> str:
        matches = list(pattern.finditer(text))
        if not matches:
            return text
        match = matches[int(rng.integers(len(matches)))]
        return text[: match.start()] + change(rng, match) + text[match.end() + span :]

    return edit


def _swapped_letters(rng: np.random.Generator, match: re.Match[str]) -> str:
    return match.string[match.start() : match.start() + 2][::-1]


def _other(table: dict[str, str]) -> Callable[[np.random.Generator, re.Match[str]], str]:
    """Replace a letter by a similar one of the same case if there is one; unchanged if it has none."""

    def change(rng: np.random.Generator, match: re.Match[str]) -> str:
        letter = match[0]
        likes = table.get(letter.lower(), letter)
        found = likes[int(rng.integers(len(likes)))]
        return found.upper() if letter.isupper() else found

    return change


def _swapped_words(rng: np.random.Generator, text: str) -> str:
    matches = list(WORDS.finditer(text))
    if not matches:
        return text
    first, space, second = matches[at := int(rng.integers(len(matches)))].groups()
    start = matches[at].start()
    return text[:start] + second + space + first + text[matches[at].end(3) :]


def _dropped_word(rng: np.random.Generator, text: str) -> str:
    words = list(WORD.finditer(text))
    if len(words) < 2:
        return text
    at = int(rng.integers(len(words)))
    if at == len(words) - 1:
        return text[: words[at - 1].end()] + text[words[at].end() :]
    return text[: words[at].start()] + text[words[at + 1].start() :]


TEXT_OPERATORS = (
    TextOperator("swap_letters", "two neighbouring letters swapped", _at(PAIR, _swapped_letters, 2)),
    TextOperator("drop_letter", "a letter left out", _at(LETTER, lambda rng, match: "")),
    TextOperator("double_letter", "a letter doubled", _at(LETTER, lambda rng, match: 2 * match[0])),
    TextOperator("wrong_key", "the key beside a letter's", _at(LETTER, _other(KEYS))),
    TextOperator("letter_case", "a letter in the other case", _at(LETTER, lambda rng, match: match[0].swapcase())),
    TextOperator("look_alike", "a character that looks alike", _at(LETTER, _other(LOOKS))),
    TextOperator("swap_words", "two neighbouring words swapped", _swapped_words),
    TextOperator("drop_word", "a word left out", _dropped_word),
    TextOperator("double_word", "a word written twice", _at(WORD, lambda rng, match: f"{match[0]} {match[0]}")),
    TextOperator("join_words", "a space left out", _at(BETWEEN, lambda rng, match: "")),
    TextOperator(
        "split_word", "a space within a word", _at(PAIR, lambda rng, match: match.string[match.start()] + " ", 1)
    ),
)
_BY_NAME = {operator.name: operator for operator in TEXT_OPERATORS}


def edited(name: str, rng: np.random.Generator, text: str) -> str:
    """Apply an operator to the text; the result may be the text itself."""
    return _BY_NAME[name].edit(rng, text)
