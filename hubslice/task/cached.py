"""What the cache of `datasets` holds of a data set on the Hub, and which of its configurations is meant without a name.

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
_ONLY = "default"  # the configuration of a data set that names none
# In a folder of rows: they are those that the Hub gives without a configuration's name, and their files had the Hub's
# checksums. `datasets` deletes it with the folder when it makes the rows anew.
_NOTE = "checked-by-hubslice"


@dataclass(frozen=True)
class Rows:
    """The rows of one configuration at one commit, and the folder that holds them."""

    folder: Path
    config: str
    version: str
    commit: str

    def open(self, path: str) -> Any:
        """All splits of the data set `path`."""
        builder = Cache(
            dataset_name=path.rpartition("/")[2],
            repo_id=path,
            config_name=self.config,
            version=self.version,
            hash=self.commit,
        )
        return builder.as_dataset()


def held(path: str) -> list[Rows]:
    """All rows of a data set that are in the cache, in the order of their configurations."""
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
    """What the cache holds, of any configuration, for the commit that the revision meant when it was last asked for.

    Without a note of that, the only commit that is there, if no revision is wanted.
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
    """Those rows of one commit that the Hub would give without a configuration's name; None if they are not there."""
    noted = [each for each in found if noted_at(each.folder)]
    if noted or not found:
        return noted[0] if noted else None
    name = usual_name(path, found[0].commit)
    return next((each for each in found if each.config == name), None)


def snapshot(path: str, commit: str) -> Path:
    """Where the Hub's cache has the files of a data set at a commit; it need not exist."""
    return _repository(path) / "snapshots" / commit


def places_of(path: str) -> tuple[Path, ...]:
    """Where files of a data set on the Hub lie: in its own folder of the Hub's cache, or unpacked by `datasets`."""
    return _repository(path), Path(datasets.config.DOWNLOADED_DATASETS_PATH).expanduser()


def remember(params: DataParams, commit: str) -> None:
    """Note in the Hub's cache which commit the revision meant, for when there is no network."""
    note = _reference(params)
    if note is not None and not (note.is_file() and note.read_text() == commit):
        write_atomically(note, commit)


def folder_of(splits: Mapping[str, Any], commit: str) -> Path | None:
    """The folder of the cache that the splits were opened from."""
    files = [Path(each["filename"]) for rows in splits.values() for each in rows.cache_files]
    return files[0].parent if files and files[0].parent.name == commit else None


def noted_at(folder: Path | None) -> bool:
    """Whether the rows in that folder are known to be the usual ones, of checked files."""
    return folder is not None and (folder / _NOTE).is_file()


def note_at(folder: Path | None) -> None:
    """Note that they are; a cache that may only be read goes without."""
    if folder is not None:
        with suppress(OSError):
            write_atomically(folder / _NOTE, "")


def usual_name(path: str, commit: str) -> str | None:
    """The configuration that `datasets` takes without a name, by the metadata that is cached; None if it takes none.

    Raises:
        DataError: the metadata cannot be read within limits.
    """
    try:
        configs = MetadataConfigs.from_dataset_card_data(what_is_said(snapshot(path, commit), path))
        name: str | None = configs.get_default_config_name() if configs else _ONLY
    except (OSError, ValueError, TypeError, LookupError, AttributeError):  # it would take none of these
        return None
    return name


def _configuration(facts: Path) -> str | None:
    """The configuration's name; a folder of another name was made with options of the caller's own."""
    try:
        return str(json.loads(facts.read_text(encoding="utf-8"))["config_name"])
    except (ValueError, LookupError, TypeError):
        return None


def _reference(params: DataParams) -> Path | None:
    """Where the Hub's cache notes which commit a branch or tag meant; None where the revision is a commit."""
    revision = params.revision or constants.DEFAULT_REVISION
    return None if COMMIT.fullmatch(revision) else _repository(params.path) / "refs" / revision


def _repository(path: str) -> Path:
    folder = repo_folder_name(repo_id=path, repo_type="dataset")
    return Path(constants.HF_HUB_CACHE).expanduser() / folder
