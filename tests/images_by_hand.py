"""Image files written byte by byte, so that their values are known without a reader."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence

import numpy as np

Tag = tuple[int, int, Sequence[int]]  # number, type (3: 16 bits, 4: 32 bits), values


def tiff(
    strip: bytes,
    size: tuple[int, int],
    bits: int,
    photometric: int,
    *,
    samples: int = 1,
    kind: int | None = None,
    extra: int | None = None,
    order: str = "<",
) -> io.BytesIO:
    """One uncompressed strip. `photometric` 0: zero is white; `kind`: the sample format; `extra` 1: premultiplied."""
    width, height = size
    tags: list[Tag] = [
        (256, 3, [width]),
        (257, 3, [height]),
        (258, 3, [bits] * samples),
        (259, 3, [1]),
        (262, 3, [photometric]),
        (273, 4, [8]),
        (277, 3, [samples]),
        (278, 3, [height]),
        (279, 4, [len(strip)]),
        *([] if extra is None else [(338, 3, [extra])]),
        *([] if kind is None else [(339, 3, [kind] * samples)]),
    ]
    strip += b"\0" * (len(strip) % 2)
    beyond = 8 + len(strip) + 2 + 12 * len(tags) + 4
    entries, longer = b"", b""
    for number, size_, values in tags:
        raw = struct.pack(order + {3: "H", 4: "I"}[size_] * len(values), *values)
        if len(raw) > 4:
            raw, longer = struct.pack(f"{order}I", beyond + len(longer)), longer + raw
        entries += struct.pack(f"{order}HHI", number, size_, len(values)) + raw.ljust(4, b"\0")
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HI", 42, 8 + len(strip))
    return io.BytesIO(head + strip + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + longer)


def png(values: np.ndarray, bits: int, colour: int, key: Sequence[int] = ()) -> io.BytesIO:
    """Values [H, W] or [H, W, samples] of 1 to 16 bits; `colour` is PNG's colour type, `key` the transparent colour."""
    rows = []
    for row in values.reshape(len(values), -1):
        text = "".join(f"{int(value):0{bits}b}" for value in row)
        text = text.ljust(-(-len(text) // 8) * 8, "0")
        rows.append(b"\0" + bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8)))

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", values.shape[1], len(values), bits, colour, 0, 0, 0)
    transparent = chunk(b"tRNS", struct.pack(f">{len(key)}H", *key)) if key else b""
    data = chunk(b"IDAT", zlib.compress(b"".join(rows)))
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + transparent + data + chunk(b"IEND", b""))
