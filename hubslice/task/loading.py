"""Load data with `datasets`, checking files before they are unpacked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import datasets
from datasets.packaged_modules.arrow.arrow import Arrow

from hubslice.core.escaping import named
from hubslice.task.arrow_size import check_arrow
from hubslice.task.data_card import check_said
from hubslice.task.packed_size import check_unpacked
from hubslice.task.parquet_size import is_parquet


class _Looking(datasets.DownloadManager):
    """A download manager that refuses files that unpack to far more than their size, including those in archives."""

    of_arrow = False  # whether the builder reads Arrow files, which have several signatures

    def download(self, url_or_urls: Any) -> Any:
        found = super().download(url_or_urls)
        self._look(found)
        return found

    def extract(self, path_or_paths: Any) -> Any:
        found = super().extract(path_or_paths)
        self._look(found)
        return found

    def _look(self, found: Any) -> None:
        for path in _paths(found):
            if not path.is_file():  # inside an archive that is read as a stream; it was checked before
                continue
            if self.of_arrow and not is_parquet(path):
                check_arrow(path)
            else:
                check_unpacked(path)


def load(path: str, *, mode: str | None = None, config: Any = None, **options: Any) -> Any:
    """Return the splits of `datasets.load_dataset` by name. Data in its cache is not checked again.

    `mode` and `config` are its `download_mode` and `download_config`.

    Raises:
        DataError: a file would unpack to far more than its size, or a folder's card cannot be read within limits.
        Exception: anything that `datasets` raises for files that it cannot read.
    """
    if (folder := Path(path)).is_dir():
        check_said(folder, named(path))
    builder = datasets.load_dataset_builder(path, download_mode=mode, download_config=config, **options)
    given = config or datasets.DownloadConfig(
        use_etag=False, token=builder.token, storage_options=builder.storage_options or {}
    )
    manager = _Looking(
        dataset_name=builder.dataset_name,
        data_dir=builder.config.data_dir,
        download_config=given,
        base_path=builder.base_path,
    )
    manager.of_arrow = isinstance(builder, Arrow)
    builder.download_and_prepare(download_mode=mode, dl_manager=manager)
    return builder.as_dataset()


def _paths(found: Any) -> Iterator[Path]:
    """Yield the downloaded or extracted files: from a path or a folder, or nested lists and dictionaries of them."""
    if isinstance(found, str | Path):
        path = Path(found)
        yield from (file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    elif isinstance(found, Mapping):
        for each in found.values():
            yield from _paths(each)
    elif isinstance(found, list | tuple):
        for each in found:
            yield from _paths(each)
