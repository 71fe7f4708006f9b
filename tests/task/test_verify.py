"""Broken images: whatever their bytes, they are read or named, and all of them in one go."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubslice.core.errors import DataError
from hubslice.core.progress import Bar, Silent
from hubslice.recipe.schema import DataParams
from hubslice.task.table import Table
from hubslice.task.task import load_task
from hubslice.task.verify import verify_images
from tests.images import square, write_parquet


class Counted(Silent, Bar):
    """A reporter whose only bar counts itself."""

    def __init__(self) -> None:
        self.total, self.done = 0, 0

    @contextmanager
    def track(self, label: str, total: int | None, unit: str) -> Iterator[Bar]:
        self.total = total or 0
        yield self

    def advance(self, amount: int = 1, note: str = "") -> None:
        self.done += amount


def saved(kind: str) -> bytes:
    file = io.BytesIO()
    square("red", 0).save(file, kind)
    return file.getvalue()


def one_row(content: bytes) -> Table:
    rows = [{"image": {"bytes": content, "path": None}}]
    return Table(rows, ("red",), DataParams(path="x.parquet"))


def test_the_bar_counts_every_image_of_every_split(tmp_path: Path) -> None:
    write_parquet(tmp_path / "shapes.parquet", 30)
    bar = Counted()
    verify_images(load_task(DataParams(path="shapes.parquet"), tmp_path, 0), bar)
    assert (bar.total, bar.done) == (30, 30)


WHOLE = {kind: saved(kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")}


@given(st.sampled_from(sorted(WHOLE)), st.integers(0, 400), st.integers(0, 8), st.binary(max_size=8))
def test_damaged_bytes_give_an_image_or_a_data_error(kind: str, start: int, length: int, put: bytes) -> None:
    whole = WHOLE[kind]
    damaged = whole[:start] + put + whole[start + length :]
    with contextlib.suppress(DataError):
        assert one_row(damaged).item(0).mode == "RGB"


@given(st.sampled_from(sorted(WHOLE)), st.integers(1, 30))
def test_an_image_that_ends_too_early_is_told(kind: str, percent: int) -> None:
    whole = WHOLE[kind]
    with pytest.raises(DataError, match=r"row 0 of x\.parquet has no readable image: .+"):
        one_row(whole[: len(whole) * percent // 100]).item(0)
