"""The headers of a parquet file's pages say what its footer says, where that is true."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hubslice.task.parquet_pages import pages_of

ROWS = 3000


def table() -> pa.Table:
    random = np.random.default_rng(0)
    return pa.table(
        {
            "number": np.arange(ROWS),
            "truth": [bool(n % 2) for n in range(ROWS)],
            "word": [f"word {n % 97}" for n in range(ROWS)],
            "bytes": [random.bytes(50) for _ in range(ROWS)],
            "list": [[f"{n}", None, "x" * (n % 7)] for n in range(ROWS)],
            "nothing": pa.nulls(ROWS, pa.string()),
        }
    )


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
@pytest.mark.parametrize("dictionary", [True, False])
def test_pages_say_what_the_footer_says(
    version: Literal["1.0", "2.0"], compression: str, dictionary: bool, tmp_path: Path
) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(
        table(),
        path,
        data_page_version=version,
        compression=compression,
        use_dictionary=dictionary,
        data_page_size=2000,
        row_group_size=1100,
        write_page_index=True,
    )
    about = pq.read_metadata(path)
    with path.open("rb") as file:
        for group in range(about.num_row_groups):
            for number in range(about.num_columns):
                column = about.row_group(group).column(number)
                start = column.dictionary_page_offset or column.data_page_offset
                pages = pages_of(file, start, column.total_compressed_size, column.num_values, 1000)
                assert pages.values == column.num_values
                headers = column.total_uncompressed_size - pages.stored
                assert -20 * pages.count < headers < 100 * pages.count  # tiny pages grow when they are compressed
                assert pages.repeats == ("PLAIN" not in column.encodings or "RLE_DICTIONARY" in column.encodings)
                assert not pages.prefixes


def test_statistics_in_a_header_are_passed_over(tmp_path: Path) -> None:
    """A header has the least and the largest value, which may be long."""
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"text": ["a" * 3000, "b" * 3000]}), path, use_dictionary=False, compression="none")
    column = pq.read_metadata(path).row_group(0).column(0)
    with path.open("rb") as file:
        pages = pages_of(file, column.data_page_offset, column.total_compressed_size, 2, 10)
    assert (pages.count, pages.values) == (1, 2)
    assert 6000 < pages.stored < 6100
