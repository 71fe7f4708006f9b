"""README.md of the fault matrix, and the totals that SECURITY.md quotes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hubslice.core.artefact import write_atomically

from .outcome import Outcome, outcomes

BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
PARTS = {
    "malformed files": (
        "Malformed files",
        "Good files, spoilt by a small seeded fuzzer: by their bytes, by the values, keys and nesting of what their "
        "format says, by headers whose lengths do not fit ([spoil.py](spoil.py)). Each is given to the commands that "
        "read it ([files.py](files.py)). Meanwhile nothing may be opened that the command was not given, no connection "
        "made, no program started.",
    ),
    "Hub in trouble": (
        "A Hub in trouble",
        "A Hub on the loopback interface answers late, wrongly, in pieces or not at all, at every kind of request of "
        "every verb that asks it ([hub.py](hub.py)). Then the Hub is well, and the same command must do its work.",
    ),
    "ended at random moments": (
        "Ended at random moments",
        "SIGKILL, SIGTERM, SIGINT and SIGHUP, in turns, at a moment drawn from the time that the command takes "
        "([kills.py](kills.py)). After a signal that can be heard nothing may lie about; the same command again must "
        "leave the bytes that it leaves undisturbed, as far as two undisturbed runs agree.",
    ),
    "nasty names": (
        "Nasty names",
        "Escape sequences, line ends, Markdown, HTML, templates and more, wherever a stranger may choose a name; "
        "looked at is every output, pages in a browser ([names.py](names.py)).",
    ),
}


def render(folder: Path, place: Path, security: Path) -> None:
    """Write README.md in `place` from the outcomes in `folder`, and their totals into `security`."""
    found = outcomes(folder)
    write_atomically(place / "README.md", "\n".join(_lines(found)))
    before, _, rest = security.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    quoted = "\n".join((BEGIN, *totals(found), END))
    write_atomically(security, f"{before}{quoted}{after}")


def totals(found: Sequence[Outcome]) -> list[str]:
    """A table with a row a part."""
    lines = ["| what was tried | commands' trials | ended well |", "| --- | ---: | ---: |"]
    for part, (title, _) in PARTS.items():
        if rows := [each for each in found if each.part == part]:
            lines.append(f"| {title} | {sum(each.tried for each in rows):,} | {sum(each.well for each in rows):,} |")
    return lines


def _lines(found: Sequence[Outcome]) -> list[str]:
    commits = ", ".join(sorted({each.commit for each in found})) or "none"
    known = {item for each in found for item in each.versions.items() if item[0] != "round"}
    lines = [
        "# Faults: how commands end",
        "",
        "`python -m bench.faults` tries them; it resumes. A trial ends well if every command of it ends in two",
        "minutes and with a documented exit code; an error says what is wrong, in one message and, where that is not a",
        "line of the recipe, with a hint; no traceback, no control character and no token is printed, and no draft is",
        "left.",
        "",
        *totals(found),
        "",
        f"{', '.join(f'{name} {version}' for name, version in sorted(known))}; commits {commits}; "
        f"{sum(each.seconds for each in found) / 60:.0f} minutes of commands. `memory` includes the libraries that the "
        "process had loaded.",
    ]
    for part, (title, what) in PARTS.items():
        rows = [each for each in found if each.part == part]
        if not rows:
            continue
        lines += ["", f"## {title}", "", what, ""]
        lines += ["| group | trials | ended well | exit codes | longest command | memory |"]
        lines += ["| --- | ---: | ---: | --- | ---: | ---: |"]
        for each in rows:
            exits = ", ".join(
                f"{code}: {number:,}" for code, number in sorted(each.exits.items(), key=lambda e: int(e[0]))
            )
            took = f"{each.slowest:.1f} s | {f'{each.memory:,} MiB' if each.memory else ''}"
            lines.append(f"| {each.group} | {each.tried:,} | {each.well:,} | {exits} | {took} |")
        for each in rows:
            lines += [f"- **{each.group} {trial.name}**: {'; '.join(trial.wrong)}" for trial in each.failures]
    return [*lines, ""]
