"""Count and report files of a folder that are not read as data, by reason."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

from hubslice.core.errors import DataError, HubsliceWarning
from hubslice.core.escaping import named

MOST = 10  # one file in this many may be left out, unless the recipe allows more
_TOLD = 3  # number of files listed in a line


class Reason(StrEnum):
    """The reason why files are not read, completing `3 files are left out, `."""

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
    """The files left out of a folder, by reason; places are relative to the folder."""

    def __init__(self) -> None:
        self._places: dict[Reason, list[str]] = {}

    def add(self, reason: Reason, place: str) -> None:
        """Leave out the file at this place."""
        self._places.setdefault(reason, []).append(place)

    def take(self, place: str) -> bool:
        """Remove the file from those left out; returns whether it was one of them."""
        for places in self._places.values():
            if place in places:
                places.remove(place)
                return True
        return False

    def of(self, reason: Reason) -> list[str]:
        """Return the places left out for a reason, sorted."""
        return sorted(self._places.get(reason, ()))

    def counts(self) -> dict[str, int]:
        """Return the number of files by reason, without files written by tools, which all tools ignore."""
        return {str(reason): len(self._places[reason]) for reason in self._reasons() if reason not in _BY_TOOLS}

    def tell(self, name: str) -> None:
        """Warn about what is left out of the folder of this name: one line for each reason."""
        for reason in self._reasons():
            tell(f"{name}: {self._line(reason)}")

    def check(self, name: str, rows: int, *, allowed: bool, mend: str) -> None:
        """Check that not too many files are left out.

        Raises:
            DataError: more than one in MOST files is left out, and the recipe does not allow it.
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
    """Inform the user how their data is interpreted."""
    warnings.warn(message, HubsliceWarning, stacklevel=2)


def some(names: Iterable[str], most: int = _TOLD) -> str:
    """Return the first few names, and the number of others."""
    every = [named(each) for each in names]
    more = f" and {len(every) - most:,} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def number(count: int, one: str, several: str) -> str:
    """Return `1 file is` or `2,000 files are`."""
    return f"{count:,} {one if count == 1 else several}"


def _endings(places: list[str]) -> str:
    """Return the most frequent extensions of the files with their counts."""
    found = Counter(_ending(place) for place in places).most_common()
    told = [f"{count:,} {ending}" for ending, count in sorted(found, key=lambda each: (-each[1], each[0]))]
    return some(told)


def _ending(place: str) -> str:
    stem, dot, ending = place.rpartition("/")[2].rpartition(".")
    return f".{ending.lower()}" if stem and dot and len(ending) <= 10 else "without ending"
