"""Select the tensors to compare, the positions to sample, and read their values as numbers.

Only tensors with at least two axes are used: vectors (biases, normalisation) are similar in unrelated models.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from hubslice.files.tensor_header import DTYPES, TensorInfo
from hubslice.files.tensor_parts import Piece, Tensors

_NUMBERS: Final = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "I8": np.int8, "U8": np.uint8}
_EIGHT: Final = {"F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"}  # PyTorch's names
READ: Final = (*_NUMBERS, "BF16", *_EIGHT)  # dtypes
_FEWEST_ROWS: Final = 8
_FEWEST_VALUES: Final = 128
_SAMPLE: Final = 8192  # approximate number of values of a tensor: whole rows are read
_BLOCKS: Final = 2  # of consecutive rows, so that few requests suffice


@dataclass(frozen=True)
class Layer:
    """A tensor as a matrix: `shape` without axes of length one; `rows` and `columns` of all its values."""

    name: str
    shape: tuple[int, ...]
    info: TensorInfo

    @property
    def rows(self) -> int:
        """The length of the first axis: output channels, features or tokens."""
        return self.shape[0]

    @property
    def columns(self) -> int:
        """The number of values per row."""
        return math.prod(self.shape[1:])


def layers_of(tensors: Tensors) -> list[Layer]:
    """Return the tensors that are compared, in the order of the files."""
    found = []
    for name, info in tensors.infos.items():
        shape = tuple(size for size in info.shape if size != 1)
        large = len(shape) > 1 and shape[0] >= _FEWEST_ROWS and math.prod(shape) >= _FEWEST_VALUES
        if large and info.dtype in READ:
            found.append(Layer(name, shape, info))
    return found


def told_unread(tensors: Tensors) -> str:
    """Explain why a model has no layer to compare: its dtypes, or its tensors are vectors or small."""
    dtypes = sorted({info.dtype for info in tensors.infos.values()})
    if not dtypes:
        return f"{tensors.name} has no weights"
    if set(dtypes) <= set(READ):
        return f"{tensors.name} has no tensor of two axes, {_FEWEST_ROWS} rows and {_FEWEST_VALUES} values"
    return f"no layer of {tensors.name} can be read: its tensors are {', '.join(dtypes)}; read are {', '.join(READ)}"


def sampled_rows(layer: Layer) -> list[tuple[int, int]]:
    """Return the blocks of rows sampled from a layer; they depend only on its shape."""
    wanted = min(layer.rows, max(_FEWEST_ROWS, -(-_SAMPLE // layer.columns)))
    if wanted * 2 >= layer.rows:
        return [(0, wanted)]
    each = -(-wanted // _BLOCKS)
    starts = [(layer.rows * (2 * block + 1)) // (2 * _BLOCKS) - each // 2 for block in range(_BLOCKS)]
    return [(start, start + each) for start in starts]


def read_samples(tensors: Tensors, layers: Sequence[Layer]) -> list[np.ndarray]:
    """Read the sampled rows of each layer, float32 [R, columns].

    Raises:
        HubError: they cannot be fetched from the Hub.
    """
    pieces, counts = [], []
    for layer in layers:
        blocks = sampled_rows(layer)
        wide = layer.columns * DTYPES[layer.info.dtype] // 8
        pieces += [Piece(layer.name, start * wide, stop * wide) for start, stop in blocks]
        counts.append(len(blocks))
    read = iter(tensors.read(pieces))
    return [
        np.concatenate([numbers(next(read), layer.info.dtype).reshape(-1, layer.columns) for _ in range(count)])
        for layer, count in zip(layers, counts, strict=True)
    ]


def read_whole(tensors: Tensors, layers: Sequence[Layer]) -> list[np.ndarray]:
    """Read all values of each layer, float32, in its shape including axes of length one.

    Raises:
        HubError: they cannot be fetched from the Hub.
    """
    read = tensors.read([Piece(layer.name, 0, layer.info.size) for layer in layers])
    return [numbers(data, layer.info.dtype).reshape(layer.info.shape) for data, layer in zip(read, layers, strict=True)]


def numbers(data: bytes, dtype: str) -> np.ndarray:
    """Convert little-endian bytes to float32; non-finite values become 0, which counts as missing."""
    if dtype == "BF16":
        found = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    elif dtype in _EIGHT:
        found = _table(dtype)[np.frombuffer(data, np.uint8)]
    else:
        found = np.frombuffer(data, np.dtype(_NUMBERS[dtype]).newbyteorder("<")).astype(np.float32)
    return np.where(np.isfinite(found), found, np.float32(0))


@cache
def _table(dtype: str) -> np.ndarray:
    """Return the value of each of the 256 bytes."""
    import torch

    found: np.ndarray = torch.arange(256, dtype=torch.uint8).view(getattr(torch, _EIGHT[dtype])).float().numpy()
    return found
