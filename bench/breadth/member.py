"""A member of a family: what is built, and as what folder it is given to hubslice."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from hubslice.core.artefact import Artefact

CLASSES = ("ant", "bee", "cat", "dog", "elk")  # of the teachers; the task has others, so that heads are replaced


class Member(Artefact):
    """The smallest architecture of a timm module, or a class of transformers with a small config.

    `side` is that of its images in pixels; `arguments` are the architecture's own; `headless` where nobody publishes a
    classifier for the family.
    """

    library: Literal["timm", "transformers"]
    family: str
    name: str
    side: int = 64
    arguments: dict[str, Any] = Field(default_factory=dict)
    headless: bool = False

    @property
    def key(self) -> str:
        """Its name among all, which is that of its file of results."""
        return f"{self.library}-{self.family}"


class Members(Artefact):
    """All of them, and the version of timm among whose architectures they were chosen."""

    timm: str
    members: tuple[Member, ...]
