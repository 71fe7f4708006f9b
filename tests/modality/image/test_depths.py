"""Values of every depth, from files written by hand: the right ones, or refused by name."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest

from hubslice.modality.image.reading import read_rgb, was_transparent
from hubslice.recipe.transparency import Transparency
from tests.images_by_hand import png, tiff

GREYS = np.array([[0, 10, 100, 255]])
DEEP = 257 * GREYS  # the same of 16 bits
COLOURS = np.array([[[0, 2570, 65535], [25700, 65535, 0]]])
TWELVE = bytes([0x00, 0x00, 0xA1, 0x64, 0x6F, 0xFF])  # 0, 161, 1606 and 4095 in 12 bits each
HALF = np.array([100, 255, 50, 128], np.uint8).tobytes()  # grey and alpha; premultiplied the second is nearly 100


def grey(file: io.BytesIO) -> list[int]:
    found = np.asarray(read_rgb(file))
    assert (found == found[..., :1]).all()
    return [int(value) for value in found[0, :, 0]]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("bits", "photometric", "wanted"),
    [
        (8, 1, [0, 10, 100, 255]),
        (8, 0, [255, 245, 155, 0]),
        (16, 1, [0, 10, 100, 255]),
        (16, 0, [255, 245, 155, 0]),
    ],
)
def test_greys_of_a_tiff_whichever_end_is_white(bits: int, photometric: int, wanted: list[int], order: str) -> None:
    values = (GREYS if bits == 8 else DEEP).astype(f"{order}u{bits // 8}")
    file = tiff(values.tobytes(), (4, 1), bits, photometric, order=order)
    if (bits, photometric, order) == (16, 0, ">"):  # which Pillow has no reader for
        with pytest.raises(ValueError, match="not an image of a known format"):
            read_rgb(file)
    else:
        assert grey(file) == wanted


def test_greys_of_12_bits_are_scaled_from_12() -> None:
    assert grey(tiff(TWELVE, (4, 1), 12, 1)) == [0, 10, 100, 255]


@pytest.mark.parametrize(("photometric", "wanted"), [(0, [0, 255, 255, 0]), (1, [255, 0, 0, 255])])
def test_single_bits_whichever_end_is_white(photometric: int, wanted: list[int]) -> None:
    assert grey(tiff(bytes([0b10010000]), (4, 1), 1, photometric)) == wanted


@pytest.mark.parametrize("maximum", [255, 1000, 4095, 65535])
def test_greys_of_a_pgm_are_scaled_by_its_maximum(maximum: int) -> None:
    values = np.array([0, maximum], ">u2" if maximum > 255 else "u1")
    assert grey(io.BytesIO(b"P5 2 1 %d\n" % maximum + values.tobytes())) == [0, 255]


@pytest.mark.parametrize(
    ("values", "bits", "key", "at"),
    [
        (np.array([[0, 1]]), 1, 0, 0),
        (np.array([[0, 1]]), 1, 1, 1),
        (np.array([[0, 1, 2, 3]]), 2, 2, 2),
        (np.array([[0, 7, 15]]), 4, 7, 1),
        (GREYS, 8, 100, 2),
        (DEEP, 16, 25700, 2),
        (DEEP, 16, 65535, 3),
        (DEEP + np.array([[0, 0, 1, 0]]), 16, 25700, None),  # a neighbour of the key within the same 8 bits
    ],
)
@pytest.mark.parametrize("rule", ["white", "black", "drop"])
def test_the_transparent_grey_of_a_png(
    values: np.ndarray, bits: int, key: int, at: int | None, rule: Transparency
) -> None:
    rgb = read_rgb(png(values, bits, 0, [key]), rule)
    wanted = np.rint(values[0] * 255 / (2**bits - 1)).astype(int)
    if at is not None and rule != "drop":
        wanted[at] = {"white": 255, "black": 0}[rule]
    assert np.asarray(rgb)[0, :, 0].tolist() == wanted.tolist()
    assert was_transparent(rgb) == (at is not None)


def test_colours_and_alpha_of_16_bits_keep_their_upper_half() -> None:
    assert np.asarray(read_rgb(png(COLOURS, 16, 2))).tolist() == [[[0, 10, 255], [100, 255, 0]]]
    alpha = np.concatenate([COLOURS, [[[65535], [0]]]], axis=-1)
    assert np.asarray(read_rgb(png(alpha, 16, 6), "black")).tolist() == [[[0, 10, 255], [0, 0, 0]]]
    greys = np.array([[[25700, 65535], [25700, 0]]])
    assert np.asarray(read_rgb(png(greys, 16, 4), "black"))[0, :, 0].tolist() == [100, 0]
    for order in "<>":
        file = tiff(COLOURS.astype(f"{order}u2").tobytes(), (2, 1), 16, 2, samples=3, order=order)
        assert np.asarray(read_rgb(file)).tolist() == [[[0, 10, 255], [100, 255, 0]]]


@pytest.mark.parametrize(("rule", "wanted"), [("white", [100, 177]), ("black", [100, 50]), ("drop", [100, 99])])
def test_premultiplied_greys_of_a_tiff(rule: Transparency, wanted: list[int]) -> None:
    found = np.asarray(read_rgb(tiff(HALF, (2, 1), 8, 1, samples=2, extra=1), rule))[0, :, 0].astype(int)
    assert np.abs(found - wanted).max() <= 1


FITS = "".join(
    card.ljust(80)
    for card in ("SIMPLE  = T", "BITPIX  = 16", "NAXIS   = 2", "NAXIS1  = 2", "NAXIS2  = 1", "BZERO   = 32768", "END")
)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (lambda: tiff(bytes([0, 1, 127, 255]), (4, 1), 8, 1, kind=2), "signed numbers"),
        (lambda: tiff(DEEP.astype("<i2").tobytes(), (4, 1), 16, 1, kind=2), "32-bit numbers of unknown range"),
        (lambda: tiff(DEEP.astype("<u4").tobytes(), (4, 1), 32, 1), "32-bit numbers of unknown range"),
        (lambda: tiff(DEEP.astype("<f4").tobytes(), (4, 1), 32, 1, kind=3), "32-bit numbers of unknown range"),
        (lambda: png(COLOURS, 16, 2, [25700, 65535, 0]), "transparent colour has 16 bits"),
        (lambda: png(COLOURS, 16, 2, [0, 0, 0]), "transparent colour has 16 bits"),
        (lambda: io.BytesIO(FITS.ljust(2880).encode() + bytes(2880)), "FITS files do not say how they are meant"),
    ],
)
def test_values_of_no_sure_meaning_are_refused(file: Callable[[], io.BytesIO], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_rgb(file())


def test_a_colour_key_of_16_bits_is_no_matter_where_transparency_is_dropped() -> None:
    assert np.asarray(read_rgb(png(COLOURS, 16, 2, [0, 0, 0]), "drop")).tolist() == [[[0, 10, 255], [100, 255, 0]]]
