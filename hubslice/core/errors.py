"""The named errors of hubslice.

Every error says what happened and why in its message, and in `hint` what mends it (usually a command). `exit_code` is
what the command line returns: 1 a gate failed, 2 usage, recipe, data or model, 3 the Hub could not be read or written,
4 internal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from hubslice.core.escaping import line

TOLD = 50  # problems in the message of a RecipeError
MOST = 400  # characters of each of them


class HubsliceError(Exception):
    r"""Base of every error that hubslice raises on purpose.

    `headline` is one line, and so is each of `details`, whatever names they quote: a file called "x\nhint: ..." adds
    no line to what users read. `message` is all of them.
    """

    exit_code: ClassVar[int] = 4

    def __init__(self, headline: str, details: Sequence[str] = (), *, hint: str | None = None) -> None:
        self.headline = line(headline)
        self.details = tuple(line(detail) for detail in details)
        self.message = "\n  ".join([self.headline, *self.details])
        self.hint = hint and line(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message


class HubsliceWarning(UserWarning):
    """What a user should know of how their input was taken, on one line; the command line tells it on stderr."""

    def __init__(self, message: str) -> None:
        super().__init__(line(message))


class GateError(HubsliceError):
    """A measured fact broke a limit that the recipe, or hubslice itself, sets."""

    exit_code = 1


class VerificationError(GateError):
    """Published or stored claims do not agree with what they were made of."""


class ParityError(GateError):
    """The exported ONNX graph does not compute what the PyTorch model computes."""


class InputError(HubsliceError):
    """What the user gave cannot be used as it is."""

    exit_code = 2


class RecipeError(InputError):
    """One or more mistakes in a recipe; `problems` holds them all, in file order, the message the first of them."""

    def __init__(self, message: str, problems: Sequence[str] = (), *, hint: str | None = None) -> None:
        self.problems = tuple(line(problem, MOST) for problem in problems)
        more = [f"and {len(self.problems) - TOLD:,} more"] if len(self.problems) > TOLD else []
        super().__init__(message, [*self.problems[:TOLD], *more], hint=hint)


class DataError(InputError):
    """The task's data is missing, malformed or does not fit the recipe."""


class ModelError(InputError):
    """A model's files cannot be used: no safetensors, a tensor missing, an unknown architecture."""


class SliceError(InputError):
    """A slice does not fit the model or cannot be computed from the profile."""


class ExportError(InputError):
    """The model cannot be exported to ONNX."""


class ProviderError(InputError):
    """The device that was asked for is not the one ONNX Runtime or PyTorch would use."""


class ExplainError(InputError):
    """Why a model decides as it does cannot be told from what was given."""


class DetectError(InputError):
    """A detector cannot be made of what was given, or does not belong to the model."""


class DiffError(InputError):
    """Two models cannot be compared, or not in the way that was asked for."""


class LineageError(InputError):
    """Where a model comes from cannot be told from what was given, or a difference does not fit its teacher."""


class RuleError(ExplainError):
    """Dynamic slicing has no rule for an operator of the model."""


class LockError(InputError):
    """A run would not be the one that its lock pins, or there is no lock."""


class RunError(InputError):
    """A run folder is not what the command needs."""


class DiskError(InputError):
    """A file could not be written: the disk is full or read-only, or this user has no right to."""


class MemoryShortError(InputError):
    """The machine or its GPU has too little memory for the work."""


class ProfileError(HubsliceError):
    """Profiling could not go on: the data does not fit the graph."""


class HubError(HubsliceError):
    """The Hub could not be read or written."""

    exit_code = 3


class FetchError(HubError):
    """A repository, revision or file could not be fetched from the Hub."""


class IntegrityError(HubError):
    """A file's bytes are not those that its checksum promises."""


class PushError(HubError):
    """A commit could not be made; the repository is as it was."""
