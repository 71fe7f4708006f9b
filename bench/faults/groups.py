"""The groups of all parts by name, without what they need to run: a program that only renders stays light."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from . import files, hub, kills, names

PARTS = (files, hub, kills, names)


@dataclass(frozen=True)
class Group:
    """A group of a part, and how many trials it is to have; None: all that there are when it is tried."""

    part: str
    name: str
    wanted: int | None

    @property
    def key(self) -> str:
        """The name of its outcome's file."""
        return re.sub(r"[^a-z0-9]+", "-", f"{self.part} {self.name}".lower())


def groups() -> Iterator[Group]:
    """All of them."""
    for part in PARTS:
        for name, group in part.GROUPS.items():
            yield Group(part.PART, name, len(part.names(group)) if part.COUNTED else None)
