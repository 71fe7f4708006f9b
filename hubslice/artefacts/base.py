"""The base of JSON artefacts, and atomic writing."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from hubslice.errors import RunError
from hubslice.paths import AnyPath, as_path

DRAFT = ".draft"  # ends the name of what is being written; the leading dot keeps it out of what is published


def write_atomically(path: AnyPath, content: bytes | str) -> None:
    """Put `content` at `path` whole or not at all: written beside it, flushed to disk, renamed."""
    path = as_path(path)
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=DRAFT)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


class Artefact(BaseModel):
    """A frozen fact sheet with a JSON file as its home."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def save(self, path: AnyPath) -> None:
        """Write as indented JSON, atomically."""
        write_atomically(path, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, path: AnyPath) -> Self:
        """Read what `save` wrote.

        Raises:
            RunError: the file is missing or is not such an artefact.
        """
        try:
            return cls.model_validate_json(as_path(path).read_bytes())
        except FileNotFoundError as error:
            raise RunError(f"{path} is missing", hint="give the command that made the run again") from error
        except ValidationError as error:
            raise RunError(
                f"{path} is not a {cls.__name__} of this version: {error.error_count()} fields do not fit",
                hint="it may be damaged or come from another hubslice version; delete it and run again",
            ) from error
