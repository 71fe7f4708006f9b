"""Read the page headers of a parquet column to get unpacked sizes without decompressing the pages.

A file's footer states the sizes of its columns, but a page is decompressed to the size in the page's own header.
Headers are structs in Thrift's compact protocol; for the encoding and the fields see
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md and
https://github.com/apache/parquet-format
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, BinaryIO, Final

_WINDOW: Final = 1 << 10  # bytes of a header that are read first
_LARGEST: Final = 16 << 20  # maximum bytes of a header, as in PyArrow
_MOST_FIELDS: Final = 64  # maximum values of a header, including those of nested structs; 20 are usual
_PADDING: Final = 100  # columns of the earliest writers are this many bytes longer than stated; PyArrow reads them
_SIZE, _STORED = 2, 3  # fields of a header: bytes of the page once decompressed, and in the file
_DATA, _DICTIONARY, _DATA_V2 = 5, 7, 8  # fields with the header of each page type
_ENCODING: Final = {_DATA: 2, _DATA_V2: 4}  # the field with the encoding
_IN_DICTIONARY: Final = (2, 8)  # encodings: PLAIN_DICTIONARY, RLE_DICTIONARY
_WHOLE: Final = (0, 6)  # PLAIN, DELTA_LENGTH_BYTE_ARRAY: each byte of a value is in the page
_PREFIXES: Final = 7  # DELTA_BYTE_ARRAY: values that share a prefix with the previous one
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)  # Thrift's types
_BITS: Final = {_I16: 16, _I32: 32, _I64: 64}

_Struct = dict[tuple[int, int], Any]  # values by the number and the type of their fields


class OddPagesError(ValueError):
    """A page header is invalid; the message completes "the file ..."."""


@dataclass
class Pages:
    """Totals over the page headers of a column in a row group."""

    count: int = 0
    values: int = 0  # including nulls
    stored: int = 0  # bytes once decompressed, still encoded
    most: int = 0  # maximum bytes of text or binary values once decoded
    repeats: bool = False  # a value may be stored once for many rows
    prefixes: bool = False  # a value may be stored without the prefix shared with the previous one


def pages_of(file: BinaryIO, start: int, length: int, values: int, most: int) -> Pages:
    """Read the headers of a column's pages until all of its values are covered.

    Args:
        file: the parquet file.
        start: offset of the column's first page.
        length: bytes of its pages, according to the footer.
        values: number of values, according to the footer.
        most: maximum number of pages to read.

    Raises:
        OddPagesError: a header is unreadable or invalid, or there are more pages.
    """
    found, at = Pages(), start
    dictionary = in_dictionary = 0
    while found.values < values and at < start + length + _PADDING:
        try:
            header, taken = _header(file, at)
        except OddPagesError:
            if at >= start + length:
                break  # not a page, but what follows the column
            raise
        if found.count == most:
            raise OddPagesError("has more pages than are looked at")
        stored = _count(header, _STORED)
        size = max(_count(header, _SIZE), stored)
        at += taken + stored
        found.count += 1
        found.stored += size
        if (_DICTIONARY, _STRUCT) in header:
            dictionary, found.repeats = max(dictionary, size), True
        for kind, field in _ENCODING.items():
            about = header.get((kind, _STRUCT))
            if about is None:
                continue
            held, encoding = _count(about, 1), about.get((field, _I32))
            found.values += held
            if encoding in _IN_DICTIONARY:
                in_dictionary += held
            else:
                found.most += size if encoding in _WHOLE else held * size
            found.repeats |= encoding not in _WHOLE
            found.prefixes |= encoding == _PREFIXES
    found.most += in_dictionary * dictionary
    return found


def _count(struct: _Struct, field: int) -> int:
    value = struct.get((field, _I32), -1)
    if value < 0:
        raise OddPagesError("has a page that does not say how large it is")
    return int(value)


def _header(file: BinaryIO, at: int) -> tuple[_Struct, int]:
    """Return the header at an offset of a file, and its length."""
    window = _WINDOW
    while True:
        file.seek(at)
        reader = _Compact(file.read(window))
        try:
            return reader.struct(), reader.at
        except IndexError:
            if len(reader.content) < window or window == _LARGEST:
                raise OddPagesError("has a page whose header does not end") from None
        window = min(16 * window, _LARGEST)


class _Compact:
    """Decodes a struct. Integers are truncated to their width, as in Thrift's own readers.

    Raises:
        IndexError: the data ends within it.
        OddPagesError: it is not a struct, or has more values than any header.
    """

    def __init__(self, content: bytes) -> None:
        self.content, self.at, self._values = content, 0, 0

    def struct(self) -> _Struct:
        """Return its numbers, booleans and structs; lists, maps, binary values and others are skipped, and are None."""
        found: _Struct = {}
        field = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            field = _signed(field + step if step else self._number(16), 16)
            found[field, kind] = kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind)
        return found

    def _value(self, kind: int) -> Any:
        self._values += 1
        if self._values > _MOST_FIELDS:
            raise OddPagesError("has a page with a header of very many fields")
        if kind == _STRUCT:
            return self.struct()
        if kind in _BITS:
            return self._number(_BITS[kind])
        if kind == _BINARY:
            self._skip(self._varint())
        elif kind == _DOUBLE:
            self._skip(8)
        elif kind in (_TRUE, _FALSE, _BYTE):  # booleans, in a list
            self._skip(1)
        elif kind in (_LIST, _SET):
            head = self._byte()
            self._pass_over(head >> 4 if head >> 4 < 15 else self._varint(), head & 15)
        elif kind == _MAP:
            if count := self._varint():
                kinds = self._byte()
                self._pass_over(count, kinds >> 4, kinds & 15)
        else:
            raise OddPagesError("has a page whose header is none")
        return None

    def _pass_over(self, count: int, *kinds: int) -> None:
        for _ in range(count):
            for kind in kinds:
                self._value(kind)

    def _byte(self) -> int:
        self.at += 1
        return self.content[self.at - 1]

    def _skip(self, count: int) -> None:
        self.at += count
        if self.at > len(self.content):
            raise IndexError

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise OddPagesError("has a page with a header whose numbers do not end")

    def _number(self, bits: int) -> int:
        raw = self._varint() & (1 << max(bits, 32)) - 1
        return _signed(raw >> 1 ^ -(raw & 1), bits)


def _signed(value: int, bits: int) -> int:
    """Interpret the number as a signed integer of `bits` bits."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value
