"""The named errors of hubslice.

Every error's message says what happened and why, and its `hint` says how to fix it (usually with a command).
`exit_code` is what the command line returns: 1 a gate failed, 2 usage, recipe, data or model, 3 the Hub could not be
read or written, 4 internal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from hubslice.core.escaping import line

TOLD = 50  # maximum problems in the message of a RecipeError
MOST = 400  # maximum characters of each problem


class HubsliceError(Exception):
    r"""Base class of all errors that hubslice raises on purpose.

    `headline` and each of `details` are a single line, whatever names they quote: a file called "x\nhint: ..." adds no
    line to the output. `message` is all of them.
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
    """A one-line warning about how the user's input was interpreted; the command line prints it on stderr."""

    def __init__(self, message: str) -> None:
        super().__init__(line(message))


class GateError(HubsliceError):
    """A measured value violates a limit set by the recipe or by hubslice itself."""

    exit_code = 1


class VerificationError(GateError):
    """Published or stored claims do not match their sources."""


class ParityError(GateError):
    """The exported ONNX graph does not compute what the PyTorch model computes."""


class InputError(HubsliceError):
    """The user's input cannot be used."""

    exit_code = 2


class RecipeError(InputError):
    """One or more mistakes in a recipe; `problems` lists all of them in file order.

    The message is that of the first problem.
    """

    def __init__(self, message: str, problems: Sequence[str] = (), *, hint: str | None = None) -> None:
        self.problems = tuple(line(problem, MOST) for problem in problems)
        more = [f"and {len(self.problems) - TOLD:,} more"] if len(self.problems) > TOLD else []
        super().__init__(message, [*self.problems[:TOLD], *more], hint=hint)


class DataError(InputError):
    """The task's data is missing, malformed or does not match the recipe."""


class ModelError(InputError):
    """A model's files cannot be used: no safetensors, a missing tensor, an unknown architecture."""


class SliceError(InputError):
    """A slice does not match the model or cannot be computed from the profile."""


class ExportError(InputError):
    """The model cannot be exported to ONNX."""


class ProviderError(InputError):
    """ONNX Runtime or PyTorch would not use the requested device."""


class ExplainError(InputError):
    """A model's decision cannot be explained with the given input."""


class DetectError(InputError):
    """A detector cannot be built from the given input, or does not belong to the model."""


class DiffError(InputError):
    """Two models cannot be compared, or not in the requested way."""


class LineageError(InputError):
    """A model's ancestry cannot be determined from the given input, or a delta does not fit its teacher."""


class RuleError(ExplainError):
    """Dynamic slicing has no rule for an operator of the model."""


class LockError(InputError):
    """A run would differ from its lock, or the lock is missing."""


class RunError(InputError):
    """A run folder does not have the contents that the command needs."""


class DiskError(InputError):
    """A file could not be written: the disk is full or read-only, or the user lacks permission."""


class MemoryShortError(InputError):
    """The machine or its GPU does not have enough memory for the work."""


class ProfileError(HubsliceError):
    """Profiling failed: the data does not fit the graph."""


class HubError(HubsliceError):
    """The Hub could not be read or written."""

    exit_code = 3


class FetchError(HubError):
    """A repository, revision or file could not be fetched from the Hub."""


class IntegrityError(HubError):
    """A file's bytes do not match its checksum."""


class PushError(HubError):
    """A commit could not be made; the repository is unchanged."""
