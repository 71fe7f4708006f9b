"""The named errors of hubslice.

Every error says what happened and why in its message, and in `hint` what mends it (usually a command). `exit_code` is
what the command line returns: 1 a gate failed, 2 usage, recipe, data or model, 3 the Hub could not be read or written,
4 internal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class HubsliceError(Exception):
    """Base of every error that hubslice raises on purpose."""

    exit_code: ClassVar[int] = 4

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


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
    """One or more mistakes in a recipe; `problems` holds them all, in file order."""

    def __init__(self, message: str, problems: Sequence[str] = (), *, hint: str | None = None) -> None:
        super().__init__("\n".join([message, *(f"  {problem}" for problem in problems)]), hint=hint)
        self.problems = tuple(problems)


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


class LockError(InputError):
    """A run would not be the one that its lock pins, or there is no lock."""


class RunError(InputError):
    """A run folder is not what the command needs."""


class ProfileError(HubsliceError):
    """Profiling could not go on, for instance out of memory at a batch of one sample."""


class HubError(HubsliceError):
    """The Hub could not be read or written."""

    exit_code = 3


class FetchError(HubError):
    """A repository, revision or file could not be fetched from the Hub."""


class IntegrityError(HubError):
    """A file's bytes are not those that its checksum promises."""


class PushError(HubError):
    """A commit could not be made; the repository is as it was."""
