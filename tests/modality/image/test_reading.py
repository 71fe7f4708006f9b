"""From every kind of image file to the RGB that a viewer would show."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

from hubslice.artefacts.model import Preprocessing
from hubslice.modality.image.pixels import prepare
from hubslice.modality.image.reading import read_rgb, to_rgb, was_transparent
from hubslice.recipe.transparency import Transparency

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


HALF = Image.merge("RGBA", [Image.new("L", (8, 8), value) for value in (200, 30, 40, 128)])
CLEAR: dict[str, Callable[[], Image.Image]] = {  # (200, 30, 40) or its grey, 81, half transparent
    "png": lambda: Image.open(stored(HALF, "PNG")),
    "webp": lambda: Image.open(stored(HALF, "WEBP", lossless=True, exact=True)),
    "animated webp": lambda: Image.open(
        stored(HALF, "WEBP", lossless=True, exact=True, save_all=True, append_images=[RED.convert("RGBA")])
    ),
    "tiff": lambda: Image.open(stored(HALF, "TIFF")),
    "palette": lambda: Image.open(_palette(bytes([255, 128]))),
    "palette with alpha": lambda: HALF.quantize(),
    "palette and alpha": lambda: HALF.convert("PA"),
    "premultiplied": lambda: HALF.convert("RGBa"),
    "grey": lambda: Image.open(stored(HALF.convert("LA"), "PNG")),
    "premultiplied grey": lambda: HALF.convert("LA").convert("La"),
}


@pytest.mark.parametrize("kind", CLEAR)
@pytest.mark.parametrize(
    ("rule", "colour"), [("white", (227, 142, 147)), ("black", (100, 15, 20)), ("drop", (200, 30, 40))]
)
def test_transparency_follows_one_rule_whatever_the_mode(
    kind: str, rule: Transparency, colour: tuple[int, ...]
) -> None:
    image = CLEAR[kind]()
    mode = image.mode
    found = to_rgb(image, rule)
    if "grey" in kind:
        level = {"white": 168, "black": 41, "drop": 81}[rule]
        colour = (level,) * 3
    assert found.mode == "RGB"
    assert was_transparent(found)
    assert np.abs(np.subtract(found.getpixel((4, 4)), colour)).max() <= 1
    assert image.mode == mode  # the user's image is as it was


@pytest.mark.parametrize("rule", ["white", "black"])
def test_a_gif_s_clear_pixels_follow_the_rule(rule: Transparency) -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 200, 30, 40])
    more = [Image.new("P", (8, 8), 0)]
    found = read_rgb(stored(image, "GIF", transparency=1, save_all=True, append_images=more), rule)
    assert found.getpixel((4, 4)) == {"white": (255,) * 3, "black": (0,) * 3}[rule]


def test_an_opaque_image_is_the_same_under_every_rule() -> None:
    for image in (RED, RED.convert("RGBA"), RED.convert("P"), RED.convert("CMYK"), RED.convert("LA")):
        found = [to_rgb(image, rule) for rule in get_args(Transparency)]
        assert all(each.tobytes() == image.convert("RGB").tobytes() for each in found)
        assert not any(map(was_transparent, found))


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


def test_a_single_pixel_is_an_image() -> None:
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
        (lambda: stored(RED, "EPS"), "not an image of a known format"),
        (lambda: io.BytesIO(b"<svg/>"), "not an image of a known format"),
        (lambda: io.BytesIO(), "not an image of a known format"),
    ],
)
def test_what_has_no_sure_meaning_is_refused(file: Callable[[], io.BytesIO], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_rgb(file())
