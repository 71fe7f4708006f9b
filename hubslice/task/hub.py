"""Load a dataset of the Hub at one commit, from the cache if there is no network."""

from __future__ import annotations

import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

import datasets
import yaml
from datasets.exceptions import DatasetsError
from huggingface_hub import constants
from huggingface_hub.errors import HFValidationError, RemoteEntryNotFoundError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from hubslice.core.errors import DataError, FetchError
from hubslice.core.foreign_errors import message_of
from hubslice.core.library_bars import hide_bars
from hubslice.core.machine import disk_full
from hubslice.hub.client import Client
from hubslice.hub.refusals import absent, refused_as, unanswered
from hubslice.hub.xet import by_xet, of_xet
from hubslice.recipe.schema import DataParams
from hubslice.task.cached import (
    COMMIT,
    at_revision,
    folder_of,
    held,
    note_at,
    noted_at,
    remember,
    snapshot,
    usual,
    usual_name,
)
from hubslice.task.checked import heal
from hubslice.task.data_card import FILES, check_said
from hubslice.task.loading import load

hide_bars()
datasets.logging.set_verbosity(datasets.logging.CRITICAL)
datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False  # it would report every local file that is opened to a server

_UNREADABLE = (
    *(DatasetsError, ValueError, TypeError, LookupError, AttributeError, ImportError, yaml.YAMLError, RecursionError),
)


def from_hub(params: DataParams, local: Path) -> tuple[Any, str]:
    """Return all splits of a dataset on the Hub, and its commit; `local` is the local path that did not exist.

    Offline, these are the commit and the rows that were fetched earlier.

    Raises:
        DataError: its name looks like a file, or the repository is not a dataset.
        FetchError: it cannot be fetched from the Hub, or offline it is not in the cache.
        IntegrityError: its files do not match the Hub's checksums.
        DiskError: the cache cannot be written.
    """
    missing = f"there is no data at '{params.path}': not a file or folder beside the recipe ({local})"
    if params.path.endswith(".parquet") or params.path.startswith((".", "/")):
        raise DataError(missing, hint="set data.path to a parquet file, an image folder or a data set's Hub id")
    try:
        validate_repo_id(params.path)
    except HFValidationError as error:
        hint = "set data.path to a parquet file, an image folder or a data set's Hub id, such as owner/name"
        raise DataError(f"{missing}, nor a Hub id: {message_of(error)}", hint=hint) from error
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
            rows = _checked(params, commit, missing, client)
    except FetchError as error:
        raise _not_given(params, missing, error) from error
    remember(params, commit)
    return rows, commit


def _commit(params: DataParams, client: Client) -> str:
    info = client.api.dataset_info(params.path, revision=params.revision, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT)
    if not isinstance(info.sha, str) or not COMMIT.fullmatch(info.sha):
        raise ValueError(f"the commit of {params.path} is {info.sha!r}")
    return info.sha


def _checked(params: DataParams, commit: str, missing: str, client: Client) -> Any:
    """Return rows whose files match the Hub's checksums. The files are verified once, not on every load."""
    try:
        rows = _load(params, commit, missing, client)
    except DataError:
        if not heal(params.path, commit, client):
            raise
        rows = _load(params, commit, missing, client, anew=True)
    if not noted_at(folder_of(rows, commit)):
        if heal(params.path, commit, client):
            rows = _load(params, commit, missing, client, anew=True)
        note_at(folder_of(rows, commit))
    return rows


def _load(params: DataParams, commit: str, missing: str, client: Client, *, anew: bool = False) -> Any:
    """Load the dataset; `anew` rebuilds rows and extracted files from the cached files."""
    _check_said(params, commit, client)
    mode: dict[str, Any] = {}
    if anew:
        again = datasets.DownloadConfig(force_extract=True)
        mode = {"mode": "reuse_cache_if_exists", "config": again}
    try:
        return load(params.path, revision=commit, **mode)
    except (*_UNREADABLE, OSError, RuntimeError) as error:
        if not isinstance(error, _UNREADABLE) and not _by_reading(error):
            raise
        why = (str(error.__cause__ or error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"{missing}, and the Hub has no readable data set of this id: {why}",
            hint=f"see what `datasets.load_dataset({params.path!r})` can read of it",
        ) from error


def _check_said(params: DataParams, commit: str, client: Client) -> None:
    """Check the dataset's card and metadata files in the cache that `datasets` reads."""
    for name in FILES:
        with suppress(RemoteEntryNotFoundError):
            client.api.hf_hub_download(params.path, name, repo_type="dataset", revision=commit)
    check_said(snapshot(params.path, commit), params.path)


def _by_reading(error: Exception) -> bool:
    """Return whether an error concerns the repository's contents, as raised without errno by Arrow and `datasets`."""
    plain = type(error) in (OSError, RuntimeError) and getattr(error, "errno", None) is None
    of_transfer = of_xet(error) or str(error).startswith("Consistency check failed")
    return plain and not of_transfer and not disk_full(error)


def _not_given(params: DataParams, missing: str, error: FetchError) -> FetchError:
    """Extend the error with what else is known: that there is no such path either, and what is cached."""
    if absent(error):
        return FetchError(
            f"{missing}, and the Hub has no readable data set of this id: {error.headline}", hint=error.hint
        )
    found = None
    if error.__cause__ is not None and _down(error.__cause__):
        with suppress(DataError):
            found = usual(params.path, at_revision(params))
    cached = f"HF_HUB_OFFLINE=1 works with the cached commit {found.commit}; else " if found else ""
    return FetchError(f"{missing}; {error.headline}", hint=f"{cached}{error.hint}")


def _down(error: BaseException) -> bool:
    """Return whether the error means that the Hub or its storage is not working."""
    return unanswered(error) or of_xet(error)


def _offline(params: DataParams, missing: str) -> tuple[Any, str]:
    rows = at_revision(params)
    found = usual(params.path, rows)
    if found is not None:
        return found.open(params.path), found.commit
    off = f"{missing}, and the Hub is switched off (HF_HUB_OFFLINE)"
    revision = f", revision={params.revision!r}" if params.revision else ""
    load = _python(f"datasets.load_dataset({params.path!r}{revision})")
    fetch = f"fetch it once while online, with this command or with HF_HUB_OFFLINE=0 {load}"
    if not rows:
        raise FetchError(f"{off} and the cache does not hold it{_others(params)}", hint=f"{fetch}; or use local data")
    other, name = rows[0].config, usual_name(params.path, rows[0].commit)
    folder = f"{params.path.rpartition('/')[2]}-{other}"
    save = _python(f"datasets.load_dataset({params.path!r}, {other!r}{revision}).save_to_disk({folder!r})")
    use = f"to use its configuration {other}, set data.path to {folder} after {save}"
    holds = f"at {rows[0].commit} the cache holds {', '.join(each.config for each in rows)}"
    if name is None:
        raise FetchError(f"{off} and its card names no default configuration; {holds}", hint=use)
    raise FetchError(
        f"{off} and the cache does not hold its default configuration {name}; {holds}", hint=f"{fetch}; or, {use}"
    )


def _python(line: str) -> str:
    return shlex.join(["python", "-c", f"import datasets; {line}"])


def _others(params: DataParams) -> str:
    """Describe what else of the dataset is cached."""
    found = sorted({f"{each.config} at {each.commit}" for each in held(params.path)})
    return (
        f" at revision {params.revision or constants.DEFAULT_REVISION} (it holds {', '.join(found)})" if found else ""
    )
