"""Ways to spoil a file: by its bytes, or by what its format says. Each takes the content and a seeded generator."""

from __future__ import annotations

import copy
import io
import json
import random
import struct
from collections.abc import Callable
from typing import Any

import yaml

Spoil = Callable[[bytes, random.Random], bytes]

NASTY = (
    "\x1b[31mred\x1b]8;;http://evil/\x07\n# Heading | `x` <script>alert(1)</script> [a](javascript:x) "
    "\u202e {{7*7}} $x$"
)
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, -5, 1.5, 1e308, float("nan"), float("inf"), -0.0, 2**31, 2**63, 2**70, 10**400),
    *(
        "",
        " ",
        "abc",
        "0",
        "-1",
        "nan",
        "x" * 5000,
        NASTY,
        "\ud800",
        "é" * 40,
        "../../canary",
        "/canary/file",
        "..",
        ".",
    ),
    *("evil/kernel", "evil/kernel@main:code", "hf-hub:evil/model", "https://evil.example/x", "CON", "a\x00b", "~"),
    *([], [None], [[]], [1, [2]], ["a", "a"], {}, {"a": 1}, {"0": []}, {"": ""}, {"-1": "x"}),
)


def _odd(rng: random.Random) -> Any:
    """One of its own: what holds it may be spoilt further."""
    return copy.deepcopy(rng.choice(ODD))


def by_bytes(content: bytes, rng: random.Random) -> bytes:
    """Some bytes flipped, cut off, taken out, put in, repeated, swapped or zeroed."""
    found = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        size = len(found)
        at = rng.randrange(size + 1)
        length = min(rng.choice((1, 2, 8, 64, 4096)), max(size - at, 1))
        match rng.randrange(8):
            case 0 if size:
                found[at % size] ^= 1 << rng.randrange(8)
            case 1:
                del found[at:]
            case 2:
                del found[at : at + length]
            case 3:
                found[at:at] = rng.randbytes(length)
            case 4:
                found[at:at] = found[at : at + length] * rng.choice((1, 3, 50))
            case 5:
                found[at : at + length] = bytes(length)
            case 6:
                found[at : at + 4] = rng.choice((b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x00\x00\x00\x80"))
            case _:
                other = rng.randrange(size + 1)
                found[at : at + length], found[other : other + length] = (
                    found[other : other + length],
                    found[at : at + length],
                )
    return bytes(found)


def _other_number(value: int | float, rng: random.Random) -> int | float:
    factor, more = rng.choice((-1, 0, 1e9, 0.5)), rng.choice((0, 1))
    try:
        return value * factor + more
    except OverflowError:  # a whole number of so many digits that no float is as large
        return -value


def by_value(value: Any, rng: random.Random) -> Any:
    """A JSON value with some of its parts odd, gone, twice, renamed or nested deep."""
    value, repeated = copy.deepcopy(value), False
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        places = list(_places(value))
        if not places:
            return _odd(rng)
        holder, key = rng.choice(places)
        match rng.randrange(10):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[rng.choice(("a", NASTY, "", "__class__", "../x", "0", str(key) + "x"))] = holder.pop(key)
            case 2 if isinstance(holder, dict):
                holder[rng.choice(("auto_map", "extra", NASTY))] = _odd(rng)
            case 3:
                deep: Any = _odd(rng)
                for _ in range(rng.choice((3, 60, 3000))):
                    deep = [deep] if rng.random() < 0.5 else {"a": deep}
                holder[key] = deep
            case 4 if isinstance(holder[key], list) and not repeated:
                repeated = True  # once: twice is a file of gigabytes
                holder[key] = holder[key] * rng.choice((0, 2, 500))
            case 5 if isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
                holder[key] = _other_number(holder[key], rng)
            case 6 if isinstance(holder[key], str):
                holder[key] = by_bytes(holder[key].encode(), rng).decode(errors="replace")
            case _:
                holder[key] = _odd(rng)
    return value


def _places(value: Any) -> Any:
    """Every part of a value, as what holds it and its key."""
    stack = [value]
    while stack:
        holder = stack.pop()
        keys = range(len(holder)) if isinstance(holder, list) else list(holder) if isinstance(holder, dict) else ()
        for key in list(keys)[:200]:
            yield holder, key
            if isinstance(holder[key], list | dict):
                stack.append(holder[key])


def _json(value: Any) -> bytes:
    """As people's programs write it, a value too deep for Python's writer as the most that it takes."""
    try:
        text = json.dumps(value)
    except RecursionError:
        text = '{"a": ' * 3000 + "1" + "}" * 3000
    return text.encode("utf-8", "surrogatepass")


def json_(content: bytes, rng: random.Random) -> bytes:
    """JSON: by its values mostly, else by its bytes; sometimes with a key twice."""
    match rng.randrange(10):
        case 0 | 1:
            return by_bytes(content, rng)
        case 2:
            text = content.decode().rstrip()
            return f"{text[:-1]}, {json.dumps(rng.choice(('a', 'model_type')))}: {json.dumps(_odd(rng))}}}".encode()
        case 3:
            return rng.choice(
                (b"", b"null", b"[]", b"7", b'"x"', b"\xef\xbb\xbf" + content, content * 2, b"[" * 100_000)
            )
        case _:
            return _json(by_value(json.loads(content), rng))


def yaml_(content: bytes, rng: random.Random) -> bytes:
    """YAML: by its values, by its lines, or by its bytes; aliases that multiply."""
    match rng.randrange(8):
        case 0 | 1:
            return by_bytes(content, rng)
        case 2:
            lines = content.decode().splitlines()
            rng.shuffle(lines)
            return "\n".join(lines).encode()
        case 3:
            bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
                f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
            )
            return content + bomb.encode()
        case 4:
            return content + rng.choice(
                (b"\n\tx: 1\n", b"name: !!python/object/apply:os.system [ls]\n", b"- a\n", b"%TAG")
            )
        case _:
            try:
                return yaml.safe_dump(by_value(yaml.safe_load(content), rng), allow_unicode=True).encode(
                    "utf-8", "surrogatepass"
                )
            except (yaml.YAMLError, RecursionError):
                return by_bytes(content, rng)


def safetensors_(content: bytes, rng: random.Random) -> bytes:
    """Safetensors: by its header under a length that fits, by that length, or by its bytes."""
    (length,) = struct.unpack("<Q", content[:8])
    header, data = content[8 : 8 + length], content[8 + length :]
    match rng.randrange(8):
        case 0 | 1:
            return by_bytes(content, rng)
        case 2:
            return struct.pack("<Q", rng.choice((0, 1, length - 1, length + 1, 2**31, 2**63, 2**64 - 1))) + content[8:]
        case 3:
            return content[:8] + json_(header, rng) + data
        case _:
            changed = _json(by_value(json.loads(header), rng))
            return struct.pack("<Q", len(changed)) + changed + data


def lines_(content: bytes, rng: random.Random) -> bytes:
    """Lines of text or of a table: cells odd, lines gone, twice or endless, other ends and encodings."""
    lines = content.split(b"\n")
    at = rng.randrange(len(lines))
    match rng.randrange(9):
        case 0 | 1:
            return by_bytes(content, rng)
        case 2:
            cells = lines[at].split(b",")
            odd = _odd(rng)
            cells[rng.randrange(len(cells))] = str(odd)[:9999].encode("utf-8", "surrogatepass")
            lines[at] = b",".join(cells)
        case 3:
            del lines[at]
        case 4:
            lines[at:at] = [lines[at]] * rng.choice((1, 100))
        case 5:
            lines[at] = b"x" * 2_000_000
        case 6:
            return content.decode().encode(rng.choice(("utf-16", "utf-8-sig", "utf-32")))
        case 7:
            return rng.choice((b"", b"\n" * 1000, b"\x00" * 1000, b'"', b'"' * 999, content.replace(b"\n", b"\r")))
        case _:
            lines[at] = NASTY.encode()
    return b"\n".join(lines)


def parquet_(content: bytes, rng: random.Random) -> bytes:
    """Parquet: by its bytes, or with columns of another kind, gone, renamed or odd in some rows."""
    if rng.random() < 0.4:
        return by_bytes(content, rng)
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(content))
    if rng.random() < 0.2:
        table = table.replace_schema_metadata(None)  # which says what columns are, and names classes
    name = rng.choice(table.column_names)
    at = table.column_names.index(name)
    rows = table.num_rows
    columns: tuple[Any, ...] = (
        pa.array([None] * rows, pa.string()),
        pa.array([NASTY] * rows),
        pa.array([rng.choice(("", "..", "/canary/file.png", "../canary", "a\x00b")) for _ in range(rows)]),
        pa.array([rng.choice((0.5, float("nan"), -1.0, 3.0)) for _ in range(rows)]),
        pa.array([rng.choice((-1, 0, 2**40, 7)) for _ in range(rows)]),
        pa.array([[1, 2]] * rows),
        pa.array([{"bytes": None, "path": "/canary/file.png"}] * rows),
        pa.array([{"bytes": by_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99), rng), "path": None} for _ in range(rows)]),
        pa.array([True] * rows),
        pa.array([b"\xff\xd8\xff"] * rows),
    )
    match rng.randrange(6):
        case 0:
            table = table.drop_columns([name])
        case 1:
            table = table.rename_columns([NASTY if each == name else each for each in table.column_names])
        case 2:
            table = table.slice(0, rng.choice((0, 1, 2)))
        case 3:
            table = table.append_column(name, table.column(name))
        case _:
            table = table.set_column(at, name, rng.choice(columns))
    made = io.BytesIO()
    pq.write_table(table, made, compression=rng.choice(("snappy", "zstd", "none")))
    return made.getvalue()


def onnx_(content: bytes, rng: random.Random) -> bytes:
    """An ONNX graph: by its bytes, or by its nodes, attributes, shapes and stored tensors."""
    if rng.random() < 0.3:
        return by_bytes(content, rng)
    import onnx

    model = onnx.ModelProto.FromString(content)
    graph = model.graph
    for _ in range(rng.choice((1, 1, 2, 4))):
        node = rng.choice(graph.node)
        tensor = rng.choice(graph.initializer)
        match rng.randrange(12):
            case 0:
                node.op_type = rng.choice(("Conv", "MatMul", "Identity", "Loop", "evil", NASTY, ""))
            case 1:
                node.domain = rng.choice(("evil", "com.microsoft", NASTY))
            case 2 if node.input:
                node.input[rng.randrange(len(node.input))] = rng.choice(
                    (*(n.output[0] for n in graph.node), "", "gone")
                )
            case 3 if node.attribute:
                attribute = rng.choice(node.attribute)
                attribute.i = rng.choice((-1, 0, 2**31, 2**62))
                attribute.ints[:] = [rng.choice((-1, 0, 1, 2**40)) for _ in attribute.ints]
            case 4:
                tensor.dims[:] = [rng.choice((0, -1, 1, 2**40)) for _ in range(rng.randrange(5))]
            case 5:
                tensor.raw_data = by_bytes(tensor.raw_data, rng)
            case 6:
                tensor.data_type = rng.randrange(30)
            case 7:
                tensor.data_location = onnx.TensorProto.EXTERNAL
                entry = tensor.external_data.add()
                entry.key, entry.value = "location", rng.choice(("/canary/file", "../canary", "gone.bin", NASTY))
            case 8:
                model.opset_import[0].version = rng.choice((0, -1, 1, 999))
            case 9:
                shape = rng.choice((*graph.input, *graph.output)).type.tensor_type.shape
                for dim in shape.dim:
                    dim.dim_value = rng.choice((0, -1, 1, 3, 2**40))
            case 10:
                graph.node.remove(node)
            case _:
                graph.output[0].name = node.output[0] = rng.choice(("same", NASTY))
    return bytes(model.SerializeToString())
