"""From every kind of picture file to the RGB that a viewer would show."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hubslice.artefacts.model import Preprocessing
from hubslice.data.picture import read_rgb
from hubslice.data.pixels import prepare

RED = Image.new("RGB", (8, 8), (200, 30, 40))
RAMP = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)  # each of the 256 greys once


def stored(image: Image.Image, kind: str, **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, kind, **options)
    file.seek(0)
    return file


def centre(file: io.BytesIO) -> tuple[int, ...]:
    image = read_rgb(file)
    assert image.mode == "RGB"
    found = image.getpixel((4, 4))
    assert isinstance(found, tuple)
    return found


def _palette(transparency: int | bytes | None = None) -> io.BytesIO:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 200, 30, 40])
    return stored(image, "PNG", **({} if transparency is None else {"transparency": transparency}))


def _animation() -> io.BytesIO:
    return stored(RED, "GIF", save_all=True, append_images=[Image.new("RGB", (8, 8), "blue")] * 2)


@pytest.mark.parametrize(
    ("file", "colour"),
    [
        (lambda: stored(RED, "PNG"), (200, 30, 40)),
        (lambda: stored(RED.convert("CMYK"), "JPEG", quality=100), (200, 30, 40)),
        (lambda: stored(RED.convert("CMYK"), "TIFF"), (200, 30, 40)),
        (_palette, (200, 30, 40)),
        (lambda: _palette(0), (200, 30, 40)),
        (lambda: _palette(1), (255, 255, 255)),
        (lambda: _palette(bytes([255, 127])), (227, 142, 147)),
        (lambda: stored(Image.new("LA", (8, 8), (100, 255)), "PNG"), (100, 100, 100)),
        (lambda: stored(Image.new("LA", (8, 8), (100, 0)), "PNG"), (255, 255, 255)),
        (lambda: stored(Image.new("L", (8, 8), 7), "PNG", transparency=7), (255, 255, 255)),
        (lambda: stored(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), "WEBP", lossless=True), (255, 255, 255)),
        (lambda: stored(Image.new("1", (8, 8), 1), "PNG"), (255, 255, 255)),
        (lambda: stored(Image.new("1", (8, 8), 0), "TIFF"), (0, 0, 0)),
        (_animation, (200, 30, 40)),
    ],
)
def test_every_mode_becomes_the_rgb_that_is_seen(file: Callable[[], io.BytesIO], colour: tuple[int, ...]) -> None:
    assert np.abs(np.subtract(centre(file()), colour)).max() <= 2


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_greys_of_16_bits_are_scaled_not_cut_off(kind: str) -> None:
    found = np.asarray(read_rgb(stored(Image.fromarray(RAMP), kind)))
    assert np.array_equal(found[..., 0].ravel(), np.arange(256))
    assert (found[..., 0] == found[..., 2]).all()


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (7, 3)), (6, (3, 0)), (8, (0, 7))])
def test_the_camera_s_orientation_is_followed(orientation: int, corner: tuple[int, int]) -> None:
    image = Image.new("RGB", (8, 4))
    image.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = read_rgb(stored(image, "PNG", exif=exif))
    assert upright.size == ((4, 8) if orientation in {6, 8} else (8, 4))
    assert upright.getpixel(corner) == (255, 255, 255)


def test_a_single_pixel_is_a_picture() -> None:
    preparation = Preprocessing(
        input_size=(3, 32, 32),
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        interpolation="bicubic",
        crop_pct=0.9,
        resize="shortest",
    )
    pixels = prepare(read_rgb(stored(Image.new("RGB", (1, 1), (9, 9, 9)), "PNG")), preparation)
    assert pixels.shape == (3, 32, 32)
    assert (pixels == 9).all()


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (lambda: stored(Image.fromarray(RAMP.astype(np.float32)), "TIFF"), "32-bit numbers of unknown range"),
        (lambda: stored(Image.fromarray(RAMP.astype(np.int32)), "TIFF"), "32-bit numbers of unknown range"),
        (lambda: stored(Image.new("L", (1, 4000)), "PNG"), "too narrow: 1 x 4000 pixels"),
        (lambda: stored(RED, "EPS"), "not a picture of a known format"),
        (lambda: io.BytesIO(b"<svg/>"), "not a picture of a known format"),
        (lambda: io.BytesIO(), "not a picture of a known format"),
    ],
)
def test_what_has_no_sure_meaning_is_refused(file: Callable[[], io.BytesIO], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_rgb(file())
