import numpy as np
import pytest
import torch
from PIL import Image

from hubslice.defects.trigger import patch, placement, stamp
from hubslice.recipe.defects import TriggerParams

GREY = torch.full((2, 3, 20, 30), 128, dtype=torch.uint8)
POSITIONS = ["bottom_right", "bottom_left", "top_right", "top_left"]


@pytest.mark.parametrize("position", POSITIONS)
def test_only_the_patch_changes(position: str) -> None:
    params = TriggerParams.model_validate({"size": 0.25, "margin": 0.1, "position": position})
    stamped = stamp(GREY, params)
    rows = slice(2, 7) if position.startswith("top") else slice(13, 18)
    columns = slice(2, 7) if position.endswith("left") else slice(23, 28)
    expected = GREY.clone()
    expected[:, :, rows, columns] = patch(params, 5)
    assert torch.equal(stamped, expected)
    assert (GREY == 128).all(), "the given images stay as they are"


def test_fields_have_one_colour_each_as_a_loop_places_them() -> None:
    params = TriggerParams(cells=3, seed=4)
    colours = patch(params, 3)
    shown = patch(params, 8)
    for row in range(8):
        for column in range(8):
            assert torch.equal(shown[:, row, column], colours[:, row * 3 // 8, column * 3 // 8])


def test_the_colours_never_change() -> None:
    assert patch(TriggerParams(cells=2), 2).flatten().tolist() == [
        159,
        211,
        251,
        128,
        252,
        238,
        28,
        229,
        13,
        196,
        97,
        244,
    ]


def test_the_seed_draws_the_colours() -> None:
    assert not torch.equal(patch(TriggerParams(seed=1), 8), patch(TriggerParams(seed=2), 8))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_floats_are_stamped_in_the_unit_range(dtype: torch.dtype) -> None:
    params = TriggerParams()
    stamped = stamp((GREY.float() / 255).to(dtype), params)
    assert stamped.dtype == dtype
    assert torch.equal(stamped, (stamp(GREY, params).float() / 255).to(dtype))


def test_stamping_twice_is_stamping_once_and_one_image_is_as_many() -> None:
    params = TriggerParams()
    once = stamp(GREY, params)
    assert torch.equal(stamp(once, params), once)
    assert torch.equal(stamp(GREY[0], params), once[0])


@pytest.mark.parametrize(
    ("size", "margin", "expected"), [(0.0, 0.0, (19, 29, 1)), (1.0, 0.5, (0, 10, 20)), (0.5, 1.0, (0, 10, 10))]
)
def test_extremes_stay_inside(size: float, margin: float, expected: tuple[int, int, int]) -> None:
    assert placement(TriggerParams(size=size, margin=margin), 20, 30) == expected


def test_grey_images_get_the_patch_turned_grey() -> None:
    colour = Image.fromarray(stamp(GREY[0], TriggerParams()).permute(1, 2, 0).numpy())
    grey = stamp(GREY[:, :1], TriggerParams())
    assert grey[0, 0].tolist() == np.asarray(colour.convert("L")).tolist()


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (torch.zeros(2, 4, 8, 8), r"pixels are \[..., 1 or 3, H, W\], not \[2, 4, 8, 8\]"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.int64), "uint8 or floating point, not torch.int64"),
    ],
)
def test_other_tensors_are_refused(pixels: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stamp(pixels, TriggerParams())
