"""Track where each value of a recipe was given: a line of the file, or an override."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from hubslice.recipe.yaml_source import KeyPath, Position, Slip


class _Place(NamedTuple):
    overridden: bool  # overrides are reported after all lines of the text
    position: Position
    name: str


@dataclass(frozen=True)
class Places:
    """Positions in the text of `origin`, and the overrides that replaced parts of it."""

    origin: str
    positions: Mapping[KeyPath, Position] = field(default_factory=dict)
    overrides: Mapping[KeyPath, str] = field(default_factory=dict)

    def overridden(self, path: KeyPath) -> str | None:
        """Return the override that set the value at `path` or a section around it; the last one applies."""
        sets = reversed(tuple(self.overrides.items()))
        return next((text for set_at, text in sets if path[: len(set_at)] == set_at), None)

    def name(self, path: KeyPath) -> str:
        """Return `recipe.yaml:12`, or `override 'train.lr=1'`; for a missing key that of the section that lacks it."""
        return self._place(path).name

    def lines(self, problems: Iterable[tuple[KeyPath, str]], slips: Iterable[Slip] = ()) -> list[str]:
        """Return `recipe.yaml:12: train.lr: expected a number, got text 'x'` for each problem, in text order."""
        told = [
            *((self._place(path), path, message) for path, message in problems),
            *((self._line(slip.position), slip.path, slip.message) for slip in slips),
        ]
        told.sort(key=lambda entry: entry[0][:2])
        return [": ".join(part for part in (place.name, dotted(path), text) if part) for place, path, text in told]

    def _place(self, path: KeyPath) -> _Place:
        override = self.overridden(path)
        if override is None and path not in self.positions:
            override = next((text for set_at, text in self.overrides.items() if set_at[: len(path)] == path), None)
        if override is not None:
            return _Place(True, Position(0, list(self.overrides.values()).index(override)), f"override '{override}'")
        around = next((path[:end] for end in range(len(path), -1, -1) if path[:end] in self.positions), None)
        return self._line(Position(1, 1) if around is None else self.positions[around])

    def _line(self, position: Position) -> _Place:
        return _Place(False, position, f"{self.origin}:{position.line}")


def dotted(path: KeyPath) -> str:
    """Return `audit.defects.0.eps`; empty for the recipe as a whole."""
    return ".".join(map(str, path))
