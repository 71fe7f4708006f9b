"""What a Hub and the way to it can do wrong: the rows that the tests of pull, slice and push go through."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from tests.fake_hub import Fault, HubServer, on

TOKEN = "hf_" + "ThisMustNeverBeSeenAnywhere1234567"


@dataclass(frozen=True)
class Trouble:
    """Bent answers, and what the message must say; it says nothing where the client gets through on its own."""

    name: str
    says: tuple[str, ...]
    fault: dict[str, Any] = field(default_factory=dict)

    def lay(self, hub: HubServer, *paths: tuple[str, str]) -> None:
        """Bend the answers to these methods and paths."""
        given = {"times": None} | {key: value(hub) if callable(value) else value for key, value in self.fault.items()}
        hub.faults.extend(Fault(on(*path), **given) for path in paths)


def rows(troubles: Iterable[Trouble]) -> list[Any]:
    """The troubles as parameters of a test."""
    return [pytest.param(trouble, id=trouble.name) for trouble in troubles]


def later(seconds: int) -> Callable[[HubServer], str]:
    """The `Retry-After` of a server that names a moment."""
    return lambda _: format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def around(hub: HubServer) -> str:
    """The address of something on that Hub which sends the client in circles."""
    hub.faults.append(Fault(on("*", "^/round"), redirect="/round", times=None))
    return f"{hub.url}/round"


NOT_A_HUB = ("is not what a Hub answers", "check HF_ENDPOINT; a proxy or the login page of a network")
UNREACHABLE = ("cannot be reached", "check the connection and HF_ENDPOINT")

# Whatever is asked for.
ALWAYS = (
    *(Trouble(f"{code}", (f"the Hub is out of order (HTTP {code}", "run again"), {"status": code})
      for code in (500, 502, 503, 504)),
    Trouble("503-wait", ("out of order (HTTP 503", "run again in 900 seconds"), {"status": 503, "retry_after": 900}),
    Trouble("429", ("too many requests", "run again later"), {"status": 429}),
    Trouble("429-wait", ("too many requests", "run again in 3600 seconds"), {"status": 429, "retry_after": 3600}),
    Trouble("429-date", ("too many requests", "run again in 3"), {"status": 429, "retry_after": later(3600)}),
    Trouble("403", ("this token may not do that",), {"status": 403}),
    Trouble("lost", UNREACHABLE, {"lost": True}),
    Trouble("circle", ("sends requests in circles", "HF_ENDPOINT"), {"redirect": around}),
)  # fmt: skip

# The same for what is asked for later.
SOME = tuple(each for each in ALWAYS if each.name in ("503", "429-wait", "lost"))

# Once, or slowly: the client gets through.
PASSING = (
    *(Trouble(f"{code}-once", (), {"status": code, "times": 1}) for code in (429, 500, 503)),
    Trouble("429-short", (), {"status": 429, "retry_after": 0, "times": 2}),
    Trouble("429-past", (), {"status": 429, "retry_after": later(-60), "times": 2}),
    Trouble("lost-once", (), {"lost": True, "times": 1}),
    Trouble("cut-once", (), {"cut_after": 20, "times": 1}),
    Trouble("trickle", (), {"trickle": 0.02}),
)

# Instead of JSON.
WRONG_ANSWERS = (
    Trouble("html", NOT_A_HUB, {"body": b"<html><body>Please log in to the network</body></html>"}),
    Trouble("garbage", NOT_A_HUB, {"body": bytes(range(256))}),
    Trouble("nothing", NOT_A_HUB, {"body": b""}),
    Trouble("cut", UNREACHABLE, {"cut_after": 12}),
    *(Trouble(f"json-{json.dumps(value)[:12]}", NOT_A_HUB, {"body": json.dumps(value).encode()})
      for value in ([], None, 7, "x", {}, [[]])),
)  # fmt: skip


def listings(commit: str) -> Iterator[Trouble]:
    """Answers about a repository that are JSON, but not what they should be."""
    good = {"rfilename": "config.json", "size": 2, "blobId": "0" * 40}
    lfs = {"sha256": "0" * 64, "size": 2, "pointerSize": 9}
    whole = {"id": "alice/teacher", "sha": commit, "siblings": [good]}
    for name, changed in {
        "no-sha": {"sha": None},
        "sha-number": {"sha": 1},
        "sha-path": {"sha": "../../../etc"},
        "siblings-text": {"siblings": "config.json"},
        "siblings-dict": {"siblings": {"a": good}},
        "siblings-null": {"siblings": [None]},
        "name-number": {"siblings": [good | {"rfilename": 3}]},
        "name-null": {"siblings": [good | {"rfilename": None}]},
        "size-text": {"siblings": [good | {"size": "2"}]},
        "size-negative": {"siblings": [good | {"size": -2}]},
        "size-true": {"siblings": [good | {"size": True}]},
        "blob-path": {"siblings": [good | {"blobId": "../x"}]},
        "lfs-text": {"siblings": [good | {"lfs": "0" * 64}]},
        "lfs-sha": {"siblings": [good | {"lfs": lfs | {"sha256": "0"}}]},
        "lfs-nothing": {"siblings": [good | {"lfs": {"size": 3}}]},
    }.items():
        yield Trouble(name, NOT_A_HUB, {"body": json.dumps(whole | changed).encode()})
