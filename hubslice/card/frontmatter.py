"""Split, merge and assemble header and body of a README that people may have edited."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from hubslice.core.errors import InputError
from hubslice.core.escaping import yaml_value
from hubslice.core.foreign_errors import message_of
from hubslice.files.card_yaml import load_head

Head = dict[str, Any]

_HEAD = re.compile(r"\s*---\n(.*?\n|)---[ \t]*(?:\n|$)", re.DOTALL)
_KEY = re.compile(r"""(?:"([^"]+)"|'([^']+)'|([^\s#"'-][^:]*?))\s*:(?:\s|$)""")
_COMMENTS = re.compile(r"(?:#.*\n)*")


def split_readme(text: str) -> tuple[str, str]:
    """Split into the YAML between the `---` lines, without them, and the body after them; "" if there is no header."""
    match = _HEAD.match(text)
    return (match.group(1), text[match.end() :]) if match else ("", text)


def merge_head(existing: str, ours: Head, *, yielding: frozenset[str] = frozenset()) -> str:
    """Return the YAML text of a header with hubslice's keys updated in `existing` (YAML text, may be empty).

    Keys that hubslice does not write, and those whose value is already right, keep their exact text: parsed and dumped
    again, `language: no` would become `false`. Keys in `yielding` are only written if missing, `tags` become the union,
    and results of other evaluations are kept in `model-index`.

    Raises:
        InputError: `existing` is not a YAML mapping with each key on a separate line.
    """
    theirs = parse_head(existing)
    blocks = _blocks(existing)
    if set(blocks) - {""} != {str(key) for key in theirs}:
        raise InputError(
            "the README's head is not plain YAML with one key a line",
            hint="write each top-level key of the head at the beginning of a line of its own",
        )
    for key, value in _merged(theirs, yaml_value(ours)).items():
        if key in theirs and (key in yielding or theirs[key] == value):
            continue
        comments = _COMMENTS.match(blocks.get(key, ""))
        blocks[key] = (comments.group() if comments else "") + _dump({key: value})
    return "".join(blocks.values())


def _merged(theirs: Head, ours: Head) -> Head:
    merged = dict(ours)
    if isinstance(theirs.get("tags"), list):
        before = theirs.get("hubslice")
        stale = {before.get("method")} - {ours["hubslice"].get("method")} if isinstance(before, dict) else set()
        tags = [tag for tag in theirs["tags"] if tag not in stale]
        merged["tags"] = tags + [tag for tag in ours["tags"] if tag not in tags]
    if "model-index" in ours:
        (index,) = ours["model-index"]
        foreign = [result for result in eval_results(theirs.get("model-index")) if not _is_ours(result)]
        merged["model-index"] = [{**index, "results": index["results"] + foreign}]
    return merged


def eval_results(index: object) -> list[Any]:
    """Return all results of a `model-index`, unchanged."""
    entries = [entry for entry in index if isinstance(entry, dict)] if isinstance(index, list) else []
    return [result for entry in entries for result in entry.get("results") or []]


def _is_ours(result: object) -> bool:
    dataset = result.get("dataset") if isinstance(result, dict) else None
    args = dataset.get("args") if isinstance(dataset, dict) else None
    return isinstance(args, dict) and "fingerprint" in args


def parse_head(head: str) -> Head:
    """Parse the header.

    Raises:
        InputError: it is not a YAML mapping.
    """
    try:
        data = load_head(head) or {}
    except yaml.YAMLError as error:
        raise InputError(f"the README's head is not YAML: {message_of(error)}", hint="mend it or delete it") from error
    if not isinstance(data, dict):
        raise InputError("the README's head is not a YAML mapping", hint="mend it or delete it")
    return data


def _blocks(head: str) -> dict[str, str]:
    """Return the text of each top-level key, with its preceding comments; text without a key under ""."""
    blocks: dict[str, str] = {}
    key, comments = "", ""
    for line in head.splitlines(keepends=True):
        line = line if line.endswith("\n") else line + "\n"
        start = _KEY.match(line)
        if start:
            key = next(group for group in start.groups() if group is not None)
            blocks[key] = comments + line
            comments = ""
        elif line.startswith("#"):
            comments += line
        else:
            blocks[key] = blocks.get(key, "") + comments + line
            comments = ""
    if comments:
        blocks[key] = blocks.get(key, "") + comments
    return blocks


class _Dumper(yaml.SafeDumper):
    """Quotes text that YAML 1.1 reads as text, but YAML 1.2, which the Hub uses, as a number: 12e4567, 0o17."""


def _represent_str(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "'" if re.fullmatch(r"[\d.eE+-]+|0o[0-7]+", value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _represent_str)


def _dump(data: Mapping[str, object]) -> str:
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**16)
