"""Resolve a model name to a Hub repository at a revision, a local folder, a run or an ONNX file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from hubslice.core.errors import InputError
from hubslice.hub.here import exists, holds_data, holds_models
from hubslice.hub.secret import masked

_PREFIXES = ("hf://models/", "hf://", "hf-hub:", "hf_hub:")
_NAME = r"[A-Za-z0-9](?:[\w.-]{0,94}[A-Za-z0-9_])?"
_REPO = re.compile(rf"{_NAME}/{_NAME}", re.ASCII)
_TIMM = re.compile(r"[a-z][a-z0-9_]*\.[a-z0-9_]+", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9_][\w./+-]{0,255}", re.ASCII)
_FILE_SUFFIXES = (
    ".bin",
    ".ckpt",
    ".h5",
    ".json",
    ".md",
    ".onnx",
    ".pkl",
    ".pt",
    ".pth",
    ".py",
    ".safetensors",
    ".yaml",
    ".yml",
)
_HINT = "give a Hub id (owner/name, owner/name@revision, timm/resnet18.a1_in1k) or a folder with config.json (./folder)"


@dataclass(frozen=True)
class HubRef:
    """A model repository on the Hub. `revision` is a branch, tag, commit or `refs/pr/N`; None is the main branch."""

    text: str
    repo_id: str
    revision: str | None = None
    kind: Literal["hub"] = "hub"

    def __str__(self) -> str:
        return f"{self.repo_id}@{self.revision}" if self.revision else self.repo_id


@dataclass(frozen=True)
class LocalRef:
    """A local model: a model folder, a run folder (its model is in `student/`) or an ONNX file."""

    text: str
    path: Path
    kind: Literal["folder", "run", "onnx"]

    def __str__(self) -> str:
        return str(self.path)


Ref = HubRef | LocalRef


def graph_at(ref: Ref) -> Path | None:
    """The ONNX file that a reference names; None where it names a model of another form."""
    return ref.path if isinstance(ref, LocalRef) and ref.kind == "onnx" else None


def parse_ref(text: str, base: Path) -> Ref:
    """Resolve `text`; relative paths are looked up under `base` (the recipe's folder), then the working directory.

    Local paths take precedence over Hub ids: `runs/nope` is not looked up on the Hub if a folder `runs` contains runs
    or models, unless a revision or `hf://` marks it as a Hub id. A folder that is named like an owner but contains
    none, such as a clone of timm, is ignored. Nothing is fetched.

    Raises:
        InputError: it is neither, or ambiguous; the message lists what was tried.
    """
    text = text.strip()
    if not text:
        raise InputError("no model is named", hint=_HINT)
    for prefix in _PREFIXES:
        if text.startswith(prefix):
            return _on_hub(text, text.removeprefix(prefix))
    if "://" in text:
        raise InputError(f"{masked(text)} is an address, not a Hub id", hint="write owner/name, or owner/name@revision")
    places = _places(text, base)
    explicit = Path(text).is_absolute() or text.startswith((".", "~"))
    for place in places:
        if kind := _kind(place):
            return LocalRef(text, place, kind)
    if explicit or text.endswith((*_FILE_SUFFIXES, "/")):
        raise _not_local(text, places)
    try:
        ref = _on_hub(text, text)
    except InputError as error:
        raise _not_local(text, places) from error
    _check_not_here(text, base, "model", f"what is on the Hub as {text}@main", holds_models)
    return ref


def check_data(text: str, base: Path, revision: str | None = None) -> None:
    """Check that data is local, or can only be a dataset on the Hub, as `parse_ref` does for models.

    Raises:
        InputError: it is not local, and starts with a local folder that contains data.
    """
    if revision is None and text.count("/") == 1 and not any(exists(place) for place in _places(text, base)):
        _check_not_here(text, base, "data", "the revision of a data set on the Hub with data.revision", holds_data)


def _check_not_here(text: str, base: Path, what: str, on_hub: str, holds: Callable[[Path], bool]) -> None:
    """Refuse an `owner/name` that starts like a local path: it is probably a typing error, not a Hub id.

    `what` is looked for, which the local folder `holds`; `on_hub` is the syntax for a Hub id.
    """
    first, slash, rest = text.partition("/")
    if not slash or "@" in rest or first in ("", ".", "..", "~"):
        return
    places = _places(text, base)
    here = next((place.parent for place in places if exists(place) or holds(place.parent)), None)
    if here is None:
        return
    near = get_close_matches(rest, [entry.name for entry in _listed(here)], n=1)
    meant = f"did you mean {first}/{near[0]}? Else give" if near and near[0] != rest else "give"
    tried = [f"{place}: {_trouble(place)}" for place in places if exists(place.parent)]
    raise InputError(
        f"there is no {what} at {text}, and the Hub is not asked, as there is a folder {first} here; tried",
        tried,
        hint=f"{meant} a path that is there, or {on_hub}",
    )


def check_repo_id(repo_id: str) -> str:
    """Check a repository id and return it.

    Raises:
        InputError: it does not have the form owner/name.
    """
    if not _REPO.fullmatch(repo_id) or "--" in repo_id or ".." in repo_id or repo_id.endswith(".git"):
        raise InputError(f"{repo_id!r} is not the id of a repository", hint="write owner/name")
    return repo_id


def check_revision(revision: str) -> str:
    """Check a revision and return it.

    Raises:
        InputError: it is not a valid name of a branch, tag or commit.
    """
    if not _REVISION.fullmatch(revision) or ".." in revision or "//" in revision or revision.endswith(("/", ".lock")):
        raise InputError(
            f"{revision!r} cannot be a branch, tag or commit", hint="write owner/name@main, or leave out @"
        )
    return revision


def _on_hub(text: str, name: str) -> HubRef:
    repo_id, at, revision = name.partition("@")
    if _TIMM.fullmatch(repo_id):
        repo_id = f"timm/{repo_id}"
    return HubRef(text, check_repo_id(repo_id), check_revision(revision) if at else None)


def _places(text: str, base: Path) -> tuple[Path, ...]:
    path = Path(os.path.expanduser(text))  # noqa: PTH111  # Path raises for ~nobody
    return tuple(dict.fromkeys(((base / path).absolute(), path.absolute())))


def _kind(path: Path) -> Literal["folder", "run", "onnx"] | None:
    if not exists(path):
        return None
    if path.is_dir():
        if (path / "student").is_dir():
            return "run"
        return "folder" if (path / "config.json").is_file() or any(path.glob("*.safetensors")) else None
    return "onnx" if path.suffix == ".onnx" and path.is_file() else None


def _not_local(text: str, places: Sequence[Path]) -> InputError:
    """Return the error that none of the places is a model, with suggestions."""
    tried = [f"{place}: {_trouble(place)}" for place in places]
    siblings = [entry.name for place in places if exists(place.parent) for entry in _listed(place.parent)]
    near = get_close_matches(Path(text).name, [name for name in siblings if name != Path(text).name], n=1)
    found = _TIMM.fullmatch(text) is None and re.fullmatch(r"[\w-]+", text)
    hint = f"did you mean {near[0]}? Else {_HINT}" if near else _HINT
    if found and not near:
        hint = f"on the Hub it needs an owner: owner/{text}, or a timm tag: {text}.tag; a folder is ./{text}"
    return InputError(f"{text} is neither a local model nor a Hub id; tried", tried, hint=hint)


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # not a folder, or not accessible
        return []


def _trouble(place: Path) -> str:
    if not exists(place):
        return "does not exist"
    if (place / "run.json").is_file():  # the manifest of a run folder
        return f"a run without a student: finish it with `hubslice slice {place}`"
    if place.is_dir():
        graph = next((path.name for path in sorted(place.glob("*.onnx"))), None)
        return "a folder with neither config.json nor student/" + (f"; name its graph, {graph}" if graph else "")
    if place.is_file():
        return "a file; of single files only .onnx is a model"
    return "neither a file nor a folder"
