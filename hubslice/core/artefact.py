"""Base class of JSON artefacts, and atomic file writes."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from hubslice.core.errors import RunError
from hubslice.core.paths import AnyPath, as_path

LARGEST: Final = 64 << 20  # maximum bytes of a descriptive file; reports and cards are a hundredth of this
DRAFT = ".draft"  # suffix of files being written; the leading dot keeps them from being published


@contextmanager
def whole_file(path: AnyPath) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces `path` on success; after an error nothing is left.

    The file gets the default permissions of a new file of this user (umask), since libraries may create it with others:
    safetensors writes files that only the owner can read.
    """
    path = as_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}{DRAFT}")
    try:
        with draft.open("xb"):
            permissions = draft.stat().st_mode & 0o777
        yield draft
        if draft.stat().st_mode & 0o777 != permissions:
            draft.chmod(permissions)
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_atomically(path: AnyPath, content: bytes | str) -> None:
    """Write `content` to `path` atomically: written to a file beside it, flushed to disk, then renamed."""
    with whole_file(path) as draft:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)


def read_description(path: AnyPath) -> bytes:
    """Read a descriptive file, such as a report, a card or a lock.

    Raises:
        RunError: the file is far larger than any such file.
        OSError: the file cannot be read.
    """
    path = as_path(path)
    if (size := path.stat().st_size) > LARGEST:
        raise RunError(
            f"{path} has {size / (1 << 20):,.1f} MiB, and may have {LARGEST >> 20}",
            hint="it is not what hubslice wrote; give the command that made it again, or fetch the file again",
        )
    return path.read_bytes()


class Artefact(BaseModel):
    """A frozen pydantic model that is stored as a JSON file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def save(self, path: AnyPath) -> None:
        """Write the artefact as indented JSON, atomically."""
        write_atomically(path, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, path: AnyPath) -> Self:
        """Read a file that `save` wrote.

        Raises:
            RunError: the file is missing, far too large, or not such an artefact.
        """
        try:
            return cls.model_validate_json(read_description(path))
        except FileNotFoundError as error:
            raise RunError(f"{path} is missing", hint="give the command that made the run again") from error
        except ValidationError as error:
            raise RunError(
                f"{path} is not a {cls.__name__} of this version: {error.error_count()} fields do not fit",
                hint="it may be damaged or come from another hubslice version; delete it and run again",
            ) from error
