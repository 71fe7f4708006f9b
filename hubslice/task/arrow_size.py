"""Check Arrow files from `save_to_disk`: streams of rows that are memory-mapped without unpacking.

Compressed files, which `datasets` reads but does not write, would be decompressed at once, to any size.
"""

from __future__ import annotations

from pathlib import Path
from struct import unpack_from
from typing import Any, Final

import pyarrow as pa

from hubslice.core.errors import DataError
from hubslice.core.escaping import named
from hubslice.task.parquet_size import limit_of, too_large, written_out

_FILE: Final = b"ARROW1"  # a file with an index at its end, which may refer to any part of it as rows
_ROW: Final = 8  # minimum bytes of a value once it is read; a column of nulls has no bytes at all
# Positions in Arrow's flatbuffers: a message's header, the rows of a dictionary, the compression of rows.
_HEADER, _DATA, _COMPRESSION = 2, 1, 3
_HINT: Final = "write the rows as parquet, or save them anew with Dataset.save_to_disk"


def check_arrow(path: Path) -> None:
    """Refuse an Arrow file that is compressed or unpacks to far more than its size.

    Raises:
        DataError: it is, or its rows are located by an index.
        OSError, pyarrow.ArrowException: it is not an Arrow stream.
    """
    with path.open("rb") as file:
        if file.read(len(_FILE)) == _FILE:
            raise DataError(f"{named(path)} is an Arrow file with an index (Feather), no stream of rows", hint=_HINT)
    with pa.memory_map(str(path)) as mapped:
        for message in pa.ipc.MessageReader.open_stream(mapped):
            if message.type in ("record batch", "dictionary") and _compressed(message):
                raise DataError(f"{named(path)} holds compressed rows, as save_to_disk writes none", hint=_HINT)
        mapped.seek(0)
        size, found = path.stat().st_size, 0
        limit = limit_of(size)
        for batch in pa.ipc.open_stream(mapped):
            batch.validate()
            found += sum(max(written_out(column), _ROW * len(column)) for column in batch.columns)
            if found > limit:
                raise too_large(path, size, limit, f": {batch.num_rows:,} rows in one part of it")


def _compressed(message: Any) -> bool:
    """Return whether a message's rows are compressed; pyarrow has already checked that its offsets are in range."""
    content = message.metadata.to_pybytes()
    (root,) = unpack_from("<I", content)
    part = _follow(content, root, _HEADER)
    if part is not None and message.type == "dictionary":
        part = _follow(content, part, _DATA)
    return part is None or _follow(content, part, _COMPRESSION) is not None


def _follow(content: bytes, table: int, field: int) -> int | None:
    """Return the position of a field of a flatbuffers table; None if the table does not have it."""
    places = table - unpack_from("<i", content, table)[0]
    at = 4 + 2 * field
    if at >= unpack_from("<H", content, places)[0]:
        return None
    (offset,) = unpack_from("<H", content, places + at)
    return table + offset + int(unpack_from("<I", content, table + offset)[0]) if offset else None
