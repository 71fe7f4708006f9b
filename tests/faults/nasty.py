"""Names as a stranger may choose them, and what of them must not reach a reader raw."""

from __future__ import annotations

import re
import unicodedata

INJECTED = "injected"  # a line, element or key that begins so was made by a name

NASTY = {
    "colour": "\x1b[31mred\x1b[0m",
    "link": "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "title": "\x1b]0;owned\x07",
    "C1": "\x9b31mred",
    "DEL": "a\x7fb",
    "NUL": "a\x00b",
    "return": "cat\rinjected",
    "heading": "cat\n# injected",
    "hint": "cat\nhint: injected",
    "separators": "cat\u2028injected\u2029injected\x85injected",
    "head": "cat\n---\ninjected: mit\n---\n",
    "yaml": ": - ! * & injected: [",
    "table": "a | injected | b \\| injected",
    "backticks": "``` a ` b ``",
    "markdown link": "[x](javascript:alert(1))",
    "image": "![x](https://evil.example/x.png)",
    "html": "<img src=x onerror=alert(1)>",
    "script": "</script><script>alert(1)</script>",
    "attribute": "\"><injected onload='alert(1)'",
    "quote": "it's",
    "entity": "&amp;lt;b&gt;",
    "marker": "<!-- hubslice:end summary -->",
    "template": "{{7*7}}{% raise %}",
    "formula": r"$\frac$",
    "bidi": "abc\u202egpj.exe\u2066x",
    "rich": "[bold red]x[/bold red] :smile: [link=https://evil.example]y[/link]",
    "percent": "%s %d %(x)s {0} {x}",
    "long": "begin" + "x" * 5_000 + "end",
    "emoji": "\N{FIRE}",
    "NFD": "cafe\u0301",
    "spaces": "  cat  ",
    "zero width": "c\u200bat\ufeff",
    "filler": "\u3164",
    "underscore": "_hidden",
    "empty": "",
}

_STYLE = re.compile(r"\x1b\[[\d;]*m")


def raw(text: str, *, exact: bool = False, wrapped: bool = False, piped: bool = False) -> list[str]:
    """What is raw in a text that a terminal shows: signs that steer or hide, lines of names, names without an end.

    What a script reads may be as long, and as blank, as it is; one value, `piped`, is what it is but for controls and
    line ends. Where a terminal wraps lines, any word may begin one.
    """
    borne = ("Cf", "Cn", "Co", "Zs") if piped else ()
    found = [
        sign
        for sign in text
        if not sign.isprintable() and sign not in "\n\t" and unicodedata.category(sign) not in borne
    ]
    if not wrapped:
        found += [line for line in text.splitlines() if re.match(r"\s*(# |hint: )?injected", line)]
    if not exact:
        found += re.findall("[\u3164\u034f\u115f\u1160]", text)
        found += [line[:80] for line in text.splitlines() if "x" * 3_000 in line]
    return found


def file_name(name: str) -> str:
    """As much of the name as a file can be called."""
    kept = name.replace("/", "-").replace("\0", "")[:120].strip() or "_"
    return kept if kept not in (".", "..") else "_"


# Of one folder or file: everything that a path can hold, but bytes that are not UTF-8, which safetensors does not open.
PATH = file_name(
    "\x1b[31m\x9b\x7f<img src=x onerror=alert(1)>\"><injected>'\n# injected\rinjected\u202e\u2028injected"
    "[bold]`$x_$ %s {{7*7}}&amp;| \u3164"
)
