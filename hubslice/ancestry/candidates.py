"""Process many models: expand names, and leave out models that cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from hubslice.ancestry.opening import is_file
from hubslice.core.errors import (
    ExportError,
    FetchError,
    HubError,
    HubsliceError,
    InputError,
    LineageError,
    ModelError,
    RunError,
)
from hubslice.core.progress import Reporter
from hubslice.files.names import INDEX, WEIGHTS
from hubslice.hub.ref import parse_ref
from hubslice.hub.refusals import status, unanswered

# Errors of one model, or of the Hub about it; errors of the machine end the work.
LEFT_OUT = (ExportError, ModelError, LineageError, RunError, HubError)
_PATIENCE = 3  # consecutive models for which the Hub may fail

T = TypeVar("T")


def each(
    names: Sequence[str], work: Callable[[str], T], reporter: Reporter, *, label: str = "Compare", again: str = ""
) -> tuple[list[T], dict[str, str]]:
    """Return `work(name)` for each model, and why some were left out: damaged ones, and those that cannot be fetched.

    `again` says how to continue, for work that can be resumed: it fails if the Hub was unreachable.

    Raises:
        HubError: the Hub was unreachable for several consecutive models, or with `again` for any.
        HubsliceError: no model could be processed; the first one's error.
    """
    found: list[T] = []
    skipped: dict[str, str] = {}
    errors: list[InputError | HubError] = []
    down: list[HubError] = []
    row = 0
    with reporter.track(label, len(names), "models") as bar:
        for name in names:
            try:
                found.append(work(name))
                row = 0
            except LEFT_OUT as error:
                errors.append(error)
                skipped[name] = error.headline
                if isinstance(error, HubError) and _out_of_reach(error):
                    down.append(error)
                    row += 1
                else:
                    row = 0
            if row == _PATIENCE:
                raise FetchError(
                    f"the Hub failed for {row} models in a row, the last time so: {down[-1].headline}",
                    hint=again or down[-1].hint,
                )
            bar.advance(1, name)
    if errors and not found:
        raise errors[0]
    if again and down:
        raise FetchError(
            f"the Hub failed for {len(down)} of {len(names)} models, the first time so: {down[0].headline}",
            hint=f"{again}; or leave those models out",
        )
    return found, skipped


def _out_of_reach(error: BaseException) -> bool:
    """Return whether the Hub itself failed, so that the next model would fail too."""
    while isinstance(error, HubsliceError) and error.__cause__ is not None:
        error = error.__cause__
    return unanswered(error) or status(error) == 429


def expand(names: Iterable[str]) -> list[str]:
    """Expand names: a folder of models stands for all models and safetensors files in it.

    Raises:
        InputError: a folder contains none, or a name is neither a path nor a Hub id.
    """
    found: list[str] = []
    for name in names:
        path = Path(name).expanduser()
        if not path.is_dir() or _is_model(path):
            if not is_file(name):
                parse_ref(name, Path.cwd())
            found.append(name)
            continue
        inside = [entry for entry in sorted(path.iterdir()) if not entry.name.startswith(".")]
        models = [str(entry) for entry in inside if _is_model(entry) or entry.suffix == ".safetensors"]
        if not models:
            raise InputError(f"{path} holds no models", hint="name a model, or a folder whose folders are models")
        found += models
    return list(dict.fromkeys(found))


def _is_model(path: Path) -> bool:
    return (path / "student").is_dir() or any((path / name).is_file() for name in ("config.json", WEIGHTS, INDEX))
