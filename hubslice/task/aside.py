"""Files of a folder that are no rows: why, how many, and what the user is told of them."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

from hubslice.core.errors import DataError, HubsliceWarning
from hubslice.core.escaping import named

MOST = 10  # one file out of so many may be left out, unless the recipe allows more
_TOLD = 3  # files that a line names


class Reason(StrEnum):
    """Why a file is not read, to follow `3 files are left out, `."""

    LITTER = "left there by systems, tools and repositories"
    RUN = "what hubslice wrote in run folders"
    HIDDEN = "hidden (a name begins with a dot)"
    UNKNOWN = "no images that Pillow reads"
    BROKEN = "links that lead nowhere"
    LOOP = "links that lead back to a folder which is read already"
    SPECIAL = "neither files nor folders"
    UNSPEAKABLE = "with names that are not UTF-8"
    BESIDE = "images beside the class folders, in no class"
    UNNAMED = "images that the metadata file does not name"
    MISSING = "named in the metadata file and not there"


_BY_TOOLS = (Reason.LITTER, Reason.RUN)


class Aside:
    """What is left out of a folder, by reason; places are relative to the folder."""

    def __init__(self) -> None:
        self._places: dict[Reason, list[str]] = {}

    def add(self, reason: Reason, place: str) -> None:
        """Leave out the file at this place."""
        self._places.setdefault(reason, []).append(place)

    def take(self, place: str) -> bool:
        """Whether the file was left out; it is no longer."""
        for places in self._places.values():
            if place in places:
                places.remove(place)
                return True
        return False

    def of(self, reason: Reason) -> list[str]:
        """The places left out for a reason, sorted."""
        return sorted(self._places.get(reason, ()))

    def counts(self) -> dict[str, int]:
        """Files by reason; what tools write, and every tool leaves aside, does not count."""
        return {str(reason): len(self._places[reason]) for reason in self._reasons() if reason not in _BY_TOOLS}

    def tell(self, name: str) -> None:
        """Warn of what is left out of the folder of this name: a line for each reason."""
        for reason in self._reasons():
            tell(f"{name}: {self._line(reason)}")

    def check(self, name: str, rows: int, *, allowed: bool, mend: str) -> None:
        """See that not too much is left out.

        Raises:
            DataError: more than one of MOST files is, and the recipe does not allow it.
        """
        out = sum(self.counts().values())
        if allowed or out * MOST <= out + rows:
            return
        head = f"{out:,} of {out + rows:,} files of {name} would be left out, more than one in {MOST}"
        raise DataError(head, [self._line(reason) for reason in self._reasons()], hint=mend)

    def _reasons(self) -> list[Reason]:
        return [reason for reason in Reason if self._places.get(reason)]

    def _line(self, reason: Reason) -> str:
        places = self.of(reason)
        kinds = f" ({_endings(places)})" if reason is Reason.UNKNOWN else ""
        out = "left aside" if reason in _BY_TOOLS else "left out"
        return f"{number(len(places), 'file is', 'files are')} {out}, {reason}{kinds}: {some(places)}"


def tell(message: str) -> None:
    """Tell the user how their data is taken."""
    warnings.warn(message, HubsliceWarning, stacklevel=2)


def some(names: Iterable[str], most: int = _TOLD) -> str:
    """The first few names, and how many more there are."""
    every = [named(each) for each in names]
    more = f" and {len(every) - most:,} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def number(count: int, one: str, several: str) -> str:
    """`1 file is`, `2,000 files are`."""
    return f"{count:,} {one if count == 1 else several}"


def _endings(places: list[str]) -> str:
    """How often the files have which ending, the most frequent ones."""
    found = Counter(_ending(place) for place in places).most_common()
    told = [f"{count:,} {ending}" for ending, count in sorted(found, key=lambda each: (-each[1], each[0]))]
    return some(told)


def _ending(place: str) -> str:
    stem, dot, ending = place.rpartition("/")[2].rpartition(".")
    return f".{ending.lower()}" if stem and dot and len(ending) <= 10 else "without ending"
