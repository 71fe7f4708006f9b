"""Find datasets of the Hub in the cache of `datasets`, and the default configuration.

The rows of a configuration at a commit are a folder of Arrow files: ROOT/OWNER___NAME/CONFIGURATION/VERSION/COMMIT.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
from datasets.naming import camelcase_to_snakecase
from datasets.packaged_modules.cache.cache import Cache
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import constants
from huggingface_hub.file_download import repo_folder_name

from hubslice.core.artefact import write_atomically
from hubslice.recipe.schema import DataParams
from hubslice.task.data_card import what_is_said

COMMIT = re.compile(r"[0-9a-f]{40}")
_ONLY = "default"  # the configuration of a dataset that names none
# A marker file in a folder of rows: they belong to the default configuration, and the source files matched the Hub's
# checksums. `datasets` deletes it with the folder when it rebuilds the rows.
_NOTE = "checked-by-hubslice"


@dataclass(frozen=True)
class Rows:
    """The rows of one configuration at one commit, and the folder that contains them."""

    folder: Path
    config: str
    version: str
    commit: str

    def open(self, path: str) -> Any:
        """Open all splits of the dataset `path`."""
        builder = Cache(
            dataset_name=path.rpartition("/")[2],
            repo_id=path,
            config_name=self.config,
            version=self.version,
            hash=self.commit,
        )
        return builder.as_dataset()


def held(path: str) -> list[Rows]:
    """Return all rows of a dataset in the cache, sorted by configuration."""
    owner, slash, name = path.rpartition("/")
    root = Path(datasets.config.HF_DATASETS_CACHE).expanduser()
    found = []
    for folder in sorted((root / f"{owner}{'___' if slash else ''}{camelcase_to_snakecase(name)}").glob("*/*/*")):
        config, version, commit = folder.parts[-3:]
        facts = folder / "dataset_info.json"
        if COMMIT.fullmatch(commit) and facts.is_file() and _configuration(facts) == config:
            found.append(Rows(folder, config, version, commit))
    return found


def at_revision(params: DataParams) -> list[Rows]:
    """Return the cached rows, of any configuration, for the commit that the revision last resolved to.

    If that was not recorded and no revision is requested, the only cached commit is used.
    """
    every = held(params.path)
    wanted = params.revision or constants.DEFAULT_REVISION
    note = _reference(params)
    if note is not None and note.is_file():
        wanted = note.read_text().strip()
    found = [each for each in every if len(wanted) >= 7 and each.commit.startswith(wanted)]
    if not found and params.revision is None:
        found = every
    return found if len({each.commit for each in found}) == 1 else []


def usual(path: str, found: list[Rows]) -> Rows | None:
    """Return the rows of one commit that belong to the default configuration; None if they are not cached."""
    noted = [each for each in found if noted_at(each.folder)]
    if noted or not found:
        return noted[0] if noted else None
    name = usual_name(path, found[0].commit)
    return next((each for each in found if each.config == name), None)


def snapshot(path: str, commit: str) -> Path:
    """Return the folder of a dataset's files at a commit in the Hub's cache; it need not exist."""
    return _repository(path) / "snapshots" / commit


def places_of(path: str) -> tuple[Path, ...]:
    """Return where files of a Hub dataset are stored: in its folder of the Hub's cache, or extracted by `datasets`."""
    return _repository(path), Path(datasets.config.DOWNLOADED_DATASETS_PATH).expanduser()


def remember(params: DataParams, commit: str) -> None:
    """Record in the Hub's cache which commit the revision resolved to, for offline use."""
    note = _reference(params)
    if note is not None and not (note.is_file() and note.read_text() == commit):
        write_atomically(note, commit)


def folder_of(splits: Mapping[str, Any], commit: str) -> Path | None:
    """Return the folder of the cache that the splits were opened from."""
    files = [Path(each["filename"]) for rows in splits.values() for each in rows.cache_files]
    return files[0].parent if files and files[0].parent.name == commit else None


def noted_at(folder: Path | None) -> bool:
    """Return whether the rows in that folder are marked: default configuration, verified files."""
    return folder is not None and (folder / _NOTE).is_file()


def note_at(folder: Path | None) -> None:
    """Mark the rows in that folder; a read-only cache is left unmarked."""
    if folder is not None:
        with suppress(OSError):
            write_atomically(folder / _NOTE, "")


def usual_name(path: str, commit: str) -> str | None:
    """Return the default configuration of `datasets` according to the cached metadata; None if there is none.

    Raises:
        DataError: the metadata cannot be read within limits.
    """
    try:
        configs = MetadataConfigs.from_dataset_card_data(what_is_said(snapshot(path, commit), path))
        name: str | None = configs.get_default_config_name() if configs else _ONLY
    except (OSError, ValueError, TypeError, LookupError, AttributeError):  # `datasets` would reject these as well
        return None
    return name


def _configuration(facts: Path) -> str | None:
    """Return the configuration's name; a folder with another name was built with custom options of the caller."""
    try:
        return str(json.loads(facts.read_text(encoding="utf-8"))["config_name"])
    except (ValueError, LookupError, TypeError):
        return None


def _reference(params: DataParams) -> Path | None:
    """Return where the Hub's cache records the commit of a branch or tag; None if the revision is a commit."""
    revision = params.revision or constants.DEFAULT_REVISION
    return None if COMMIT.fullmatch(revision) else _repository(params.path) / "refs" / revision


def _repository(path: str) -> Path:
    folder = repo_folder_name(repo_id=path, repo_type="dataset")
    return Path(constants.HF_HUB_CACHE).expanduser() / folder
