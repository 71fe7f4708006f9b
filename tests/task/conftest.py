"""The coloured squares as a parquet file and as a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.images import write_folder, write_parquet


@pytest.fixture(scope="package")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_parquet(folder / "shapes.parquet")
    write_folder(folder / "shapes")
    return folder
