"""Where each value of a recipe was given: a line of the file, or an override."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hubslice.recipe.yaml_source import KeyPath, Position


@dataclass(frozen=True)
class Places:
    """Positions in the text called `origin`, and the overrides that replaced parts of it."""

    origin: str
    positions: Mapping[KeyPath, Position] = field(default_factory=dict)
    overrides: Mapping[KeyPath, str] = field(default_factory=dict)

    def overridden(self, path: KeyPath) -> str | None:
        """The override that gave the value at `path` or a section around it; the last one wins."""
        return next(
            (text for set_at, text in reversed(tuple(self.overrides.items())) if path[: len(set_at)] == set_at), None
        )

    def name(self, path: KeyPath) -> str:
        """`recipe.yaml:12`, or `override 'train.lr=1'`; for a missing key the place of the section that lacks it."""
        override = self._override(path)
        return f"override '{override}'" if override else f"{self.origin}:{self._position(path).line}"

    def order(self, path: KeyPath) -> tuple[bool, Position, KeyPath]:
        """Sorts by position in the text, then the overrides."""
        return self._override(path) is not None, self._position(path), tuple(map(str, path))

    def line(self, path: KeyPath, message: str) -> str:
        """One line that tells what is wrong where: `recipe.yaml:12: train.lr: expected a number, got text 'x'`."""
        return ": ".join(part for part in (self.name(path), ".".join(map(str, path)), message) if part)

    def _override(self, path: KeyPath) -> str | None:
        around = self.overridden(path)
        if around or path in self.positions:
            return around
        return next((text for set_at, text in self.overrides.items() if set_at[: len(path)] == path), None)

    def _position(self, path: KeyPath) -> Position:
        for end in range(len(path), -1, -1):
            if path[:end] in self.positions:
                return self.positions[path[:end]]
        return Position(1, 1)
