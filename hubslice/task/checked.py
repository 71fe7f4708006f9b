"""Verify cached files of a dataset against the Hub's checksums, which `datasets` does not check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from huggingface_hub.utils.tqdm import tqdm

from hubslice.core.errors import IntegrityError
from hubslice.hub.client import Client
from hubslice.hub.download import refresh_copy
from hubslice.task.cached import snapshot


class _Silent(tqdm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "disable": True})


def heal(path: str, commit: str, client: Client) -> bool:
    """Download again cached files of the dataset that do not match the Hub's checksums; returns whether there were any.

    Reads all its files that are in the cache.

    Raises:
        IntegrityError: a file is wrong again.
        Exception: anything that huggingface_hub raises.
    """
    wrong = _wrong(path, commit, client)
    for name, expected in wrong.items():
        found = client.api.hf_hub_download(
            path, name, repo_type="dataset", revision=commit, force_download=True, tqdm_class=_Silent
        )
        refresh_copy(Path(found), snapshot(path, commit).parents[1] / "blobs" / expected, f"{name} of {path}")
    if wrong and (still := _wrong(path, commit, client)):
        name, expected = next(iter(still.items()))
        raise IntegrityError(
            f"{name} of the data set {path} is not the file that the Hub promised: its checksum is not {expected}",
            hint="it came wrong twice, so a proxy or the Hub's storage changes files; run it again later. Until then "
            "other programs may read the wrong bytes in the cache, unless you delete them: "
            f"hf cache rm hf://datasets/{path}/{name}",
        )
    return bool(wrong)


def _wrong(path: str, commit: str, client: Client) -> dict[str, str]:
    """Return the expected checksums of files that do not match, by path."""
    if not snapshot(path, commit).is_dir():
        return {}  # the files were deleted, and the rows kept
    checked = client.api.verify_repo_checksums(path, repo_type="dataset", revision=commit)
    return {each["path"]: each["expected"] for each in checked.mismatches}
