"""How a member came through the stages, as a file of its own."""

from __future__ import annotations

from typing import Literal, Self

from hubslice.core.artefact import Artefact

from ..machine import installed
from .member import Member

State = Literal["ok", "whole", "refused", "failed", "blocked"]
ROUND = 2  # raised where a stage asks for something else than before
PACKAGES = ("hubslice", "timm", "transformers", "torch", "onnxruntime-gpu", "onnxruntime")


def versions() -> dict[str, str]:
    """What an outcome depends on: with another of these a member is tried again."""
    return {"round": str(ROUND)} | installed(PACKAGES)


class Stage(Artefact):
    """A stage: `told` are the words that the user sees, or what was not as it should be.

    whole: it does not apply, since no channel of the architecture can be taken out without changing the others;
    refused: a named error of hubslice, with its exit code; failed: anything else, or what the stage checks does not
    hold; blocked: it needs a stage, named in `told`, that did not end well.
    """

    name: str
    state: State
    told: str = ""
    error: str = ""
    exit_code: int = 0
    seconds: float = 0.0


class Outcome(Artefact):
    """A member's stages in order, and what they ran on: versions, and the commit of the checkout."""

    member: Member
    versions: dict[str, str]
    stages: tuple[Stage, ...]
    commit: str = ""

    @property
    def seconds(self) -> float:
        """Of all stages."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def through(self) -> bool:
        """Whether all stages that apply ended well."""
        return all(stage.state in ("ok", "whole") for stage in self.stages)

    @property
    def reason(self) -> Stage | None:
        """The first stage that did not end well."""
        return next((stage for stage in self.stages if stage.state in ("refused", "failed")), None)

    def with_stage(self, stage: Stage) -> Self:
        """The outcome with one more stage."""
        return self.model_copy(update={"stages": (*self.stages, stage)})
