"""A data set on the Hub: its rows at one commit, which the cache gives where there is no network."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import yaml
from datasets.exceptions import DatasetsError
from datasets.naming import camelcase_to_snakecase
from datasets.packaged_modules.cache.cache import Cache
from huggingface_hub import constants
from huggingface_hub.errors import HFValidationError
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from hubslice.artefacts.base import write_atomically
from hubslice.errors import DataError, FetchError
from hubslice.hub.client import Client
from hubslice.hub.refusals import absent, refused_as, unanswered
from hubslice.hub.xet import by_xet
from hubslice.recipe.schema import DataParams

datasets.disable_progress_bars()  # hubslice reports progress and errors itself
datasets.logging.set_verbosity(datasets.logging.CRITICAL)
datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False  # it would tell a server of every local file that is opened

_COMMIT = re.compile(r"[0-9a-f]{40}")
_UNREADABLE = (DatasetsError, ValueError, TypeError, LookupError, AttributeError, yaml.YAMLError)
_ONLY = "default"  # the configuration of a data set that names none


@dataclass(frozen=True)
class _Cached:
    """The rows of one configuration at one commit, as `datasets` keeps them: a folder of Arrow files."""

    config: str
    version: str
    commit: str


def from_hub(params: DataParams, local: Path) -> tuple[Any, str]:
    """All splits of a data set on the Hub, and its commit; `local` is where it was looked for before.

    Offline these are the commit and the rows that were fetched before.

    Raises:
        DataError: it has the name of a file, or what the Hub gives is no data set.
        FetchError: the Hub does not give it, or offline the cache does not.
        DiskError: the cache cannot be written.
    """
    missing = f"there is no data at '{params.path}': not a file or folder beside the recipe ({local})"
    if params.path.endswith(".parquet") or params.path.startswith((".", "/")):
        raise DataError(missing, hint="set data.path to a parquet file, an image folder or a data set's Hub id")
    try:
        validate_repo_id(params.path)
    except HFValidationError as error:
        raise DataError(f"{missing}, nor a Hub id: {error}") from error
    client = Client()
    if client.offline or datasets.config.HF_HUB_OFFLINE:
        return _offline(params, missing)
    try:
        doing, page = f"fetch the data set {params.path}", f"datasets/{params.path}"
        with (
            refused_as(FetchError, doing, repo_id=page, client=client),
            by_xet(FetchError, doing, client, download=True),
        ):
            commit = _commit(params, client)
            rows = _load(params, commit, missing)
    except FetchError as error:
        raise _not_given(params, missing, error) from error
    _remember(params, commit)
    return rows, commit


def _commit(params: DataParams, client: Client) -> str:
    info = client.api.dataset_info(params.path, revision=params.revision, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT)
    if not isinstance(info.sha, str) or not _COMMIT.fullmatch(info.sha):
        raise ValueError(f"the commit of {params.path} is {info.sha!r}")
    return info.sha


def _load(params: DataParams, commit: str, missing: str) -> Any:
    try:
        return datasets.load_dataset(params.path, revision=commit)
    except _UNREADABLE as error:  # of what the repository holds
        why = (str(error.__cause__ or error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"{missing}, and the Hub has no readable data set of this id: {why}",
            hint=f"see what `datasets.load_dataset({params.path!r})` can read of it",
        ) from error


def _not_given(params: DataParams, missing: str, error: FetchError) -> FetchError:
    """The error with what else is known: that it is no path either, and what the cache holds."""
    if absent(error):
        return FetchError(
            f"{missing}, and the Hub has no readable data set of this id: {error.message}", hint=error.hint
        )
    held = _found(params) if error.__cause__ is not None and unanswered(error.__cause__) else None
    cached = f"HF_HUB_OFFLINE=1 works with the cached commit {held.commit}; else " if held else ""
    return FetchError(f"{missing}; {error.message}", hint=f"{cached}{error.hint}")


def _offline(params: DataParams, missing: str) -> tuple[Any, str]:
    held = _found(params)
    if held is None:
        revision = f", revision={params.revision!r}" if params.revision else ""
        fetch = shlex.join(["python", "-c", f"import datasets; datasets.load_dataset({params.path!r}{revision})"])
        raise FetchError(
            f"{missing}, and the Hub is switched off (HF_HUB_OFFLINE) and the cache does not hold it{_others(params)}",
            hint=f"fetch it once while online, with this command or with HF_HUB_OFFLINE=0 {fetch}; or use local data",
        )
    builder = Cache(
        dataset_name=params.path.rpartition("/")[2],
        repo_id=params.path,
        config_name=held.config,
        version=held.version,
        hash=held.commit,
    )
    return builder.as_dataset(), held.commit


def _found(params: DataParams) -> _Cached | None:
    """What the cache holds for the revision: the commit that it meant when it was last asked for.

    Without a note of that, the only commit that is there, if no revision is wanted.
    """
    every = _cached(params.path)
    wanted = params.revision or constants.DEFAULT_REVISION
    note = _note(params)
    if note is not None and note.is_file():
        wanted = note.read_text().strip()
    held = [each for each in every if len(wanted) >= 7 and each.commit.startswith(wanted)]
    if not held and params.revision is None and len({each.commit for each in every}) == 1:
        held = every
    if len({each.commit for each in held}) != 1:
        return None
    usual = [each for each in held if each.config == _ONLY]
    return held[0] if len(held) == 1 else usual[0] if len(usual) == 1 else None


def _cached(path: str) -> list[_Cached]:
    """All that the cache holds of a data set: ROOT/OWNER___NAME/CONFIGURATION/VERSION/COMMIT."""
    owner, slash, name = path.rpartition("/")
    root = Path(datasets.config.HF_DATASETS_CACHE) / f"{owner}{'___' if slash else ''}{camelcase_to_snakecase(name)}"
    found = []
    for folder in sorted(root.glob("*/*/*")):
        config, version, commit = folder.parts[-3:]
        facts = folder / "dataset_info.json"
        if _COMMIT.fullmatch(commit) and facts.is_file() and _configuration(facts) == config:
            found.append(_Cached(config, version, commit))
    return found


def _configuration(facts: Path) -> str | None:
    """The configuration's name; a folder of another name was made with options of the caller's own."""
    try:
        return str(json.loads(facts.read_text(encoding="utf-8"))["config_name"])
    except (ValueError, LookupError, TypeError):
        return None


def _others(params: DataParams) -> str:
    """What else the cache has of the data set."""
    held = sorted({f"{each.config} at {each.commit}" for each in _cached(params.path)})
    return f" at revision {params.revision or constants.DEFAULT_REVISION} (it holds {', '.join(held)})" if held else ""


def _note(params: DataParams) -> Path | None:
    """Where the Hub's cache notes which commit a branch or tag meant; None where the revision is a commit."""
    revision = params.revision or constants.DEFAULT_REVISION
    if _COMMIT.fullmatch(revision):
        return None
    folder = repo_folder_name(repo_id=params.path, repo_type="dataset")
    return Path(constants.HF_HUB_CACHE).expanduser() / folder / "refs" / revision


def _remember(params: DataParams, commit: str) -> None:
    note = _note(params)
    if note is not None and not (note.is_file() and note.read_text() == commit):
        write_atomically(note, commit)
