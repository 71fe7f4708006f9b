"""The card's lines: they read images as hubslice does, and work as they stand."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image, ImageOps

import hubslice
from hubslice.artefacts.slice import Slice
from hubslice.card.snippet import Snippet, run_snippet, snippet_of
from hubslice.graph.channels import channel_map
from hubslice.modality.image.reading import read_rgb
from hubslice.models.from_architecture import create_model
from hubslice.recipe.schema import TeacherParams
from hubslice.recipe.transparency import Transparency
from hubslice.slicing.compaction import compact
from tests.card.examples import REPORTS
from tests.images_by_hand import png
from tests.models.test_from_architecture import RESNET
from tests.run.cutouts import cut_out
from tests.slicing.test_compaction import drop

RULES = get_args(Transparency)
LABELS = ("cat", "dog", "owl")
GREYS = np.array([[0, 10, 100, 255]])
COLOURS = np.array([[[0, 10, 255], [100, 255, 0]]])


def saved(image: Image.Image, kind: str, **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file


def turned(kind: str) -> io.BytesIO:
    """An image that the camera took upside down."""
    exif = Image.Exif()
    exif[0x0112] = 3
    return saved(cut_out("red", 0).convert("RGB" if kind == "JPEG" else "RGBA"), kind, exif=exif)


def palette(**options: Any) -> io.BytesIO:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 200, 30, 40])
    image.putpixel((0, 0), 0)
    return saved(image, "PNG", **options)


CUT = cut_out("green", 1)
FILES: dict[str, Callable[[], io.BytesIO]] = {
    "rgba": lambda: saved(CUT, "PNG"),
    "rgb": lambda: saved(CUT.convert("RGB"), "PNG"),
    "grey and alpha": lambda: saved(CUT.convert("LA"), "PNG"),
    "palette, many alphas": lambda: palette(transparency=bytes([10, 200])),
    "palette, one clear": lambda: palette(transparency=1),
    "grey key": lambda: png(GREYS, 8, 0, [100]),
    "colour key": lambda: png(COLOURS, 8, 2, [100, 255, 0]),
    "single bits": lambda: png(np.array([[0, 1]]), 1, 0),
    "colours of 16 bits": lambda: png(257 * COLOURS, 16, 2),
    "colours and alpha of 16 bits": lambda: png(257 * np.concatenate([COLOURS, [[[7], [255]]]], axis=-1), 16, 6),
    "gif": lambda: saved(CUT, "GIF"),
    "webp": lambda: saved(CUT, "WEBP", lossless=True, save_all=True, append_images=[CUT.rotate(90)]),
    "jpeg": lambda: saved(CUT.convert("RGB"), "JPEG"),
    "cmyk": lambda: saved(CUT.convert("RGB").convert("CMYK"), "JPEG"),
    "tiff": lambda: saved(CUT, "TIFF"),
    "lab": lambda: saved(Image.new("LAB", (4, 4), (120, 30, 40)), "TIFF"),
    "turned jpeg": lambda: turned("JPEG"),
    "turned png": lambda: turned("PNG"),
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the lines leave files to the collector
@pytest.mark.filterwarnings("ignore:Palette images with Transparency")  # Pillow's to whoever drops the alpha
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", FILES)
def test_the_lines_read_an_image_as_hubslice_does(kind: str, rule: Transparency, mode: str, tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(FILES[kind]().getvalue())
    report = next(report for report in REPORTS.values() if not report.slice.own_widths)
    report = report.model_copy(update={"task": report.task.model_copy(update={"transparency": rule})})
    lines = replace(snippet_of(report, None, None), image=str(path), mode=mode).answer.partition("with torch")[0]
    names: dict[str, Any] = {"Image": Image, "ImageOps": ImageOps}
    exec(lines, names)
    wanted = read_rgb(path, rule).convert(mode)
    assert (names["image"].mode, names["image"].size) == (wanted.mode, wanted.size)
    assert names["image"].tobytes() == wanted.tobytes()


def saved_model(kind: str, rule: Transparency, folder: Path) -> Snippet:
    """A student of this kind with random weights, and its snippet."""
    arguments = {"hubslice_vgg": {"widths": (8, 16), "depths": (1, 1)}, "transformers:resnet": RESNET}.get(kind, {})
    architecture = "test_resnet" if kind == "compact" else kind
    model = create_model(
        TeacherParams(model=architecture, weights="random", arguments=arguments, input_size=32),  # type: ignore[arg-type]
        0,
    )
    model.reset_classifier(LABELS, 0)
    if kind == "compact":
        channels = channel_map(model)
        slice_: Slice = drop(model, channels)[0]
        model = compact(model, slice_, channels)
    model.show_transparent(rule)
    model.save(folder)
    library = {"compact": "hubslice", "transformers:resnet": "transformers"}.get(kind, "timm")
    return Snippet(library, "student", False, rule, registers=kind == "hubslice_vgg")  # type: ignore[arg-type]


KINDS = ["test_resnet", "hubslice_vgg", "transformers:resnet", "compact"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_lines_work_as_they_stand_and_say_what_predict_says(kind: str, tmp_path: Path) -> None:
    snippet = saved_model(kind, "black", tmp_path / "student")
    image = cut_out("red", 2)
    image.save(tmp_path / "image.jpg", "PNG")
    (tmp_path / "lines.py").write_text(snippet.text)
    done = subprocess.run([sys.executable, "lines.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer = hubslice.load(tmp_path / "student").predict(image)
    label, probability = answer.labels[0], float(answer.probabilities.max())
    assert done.stdout.startswith(label)
    if kind == "compact":
        assert done.stdout == f"{answer}\n"
    else:
        assert float(done.stdout.split()[-1]) == pytest.approx(probability, rel=1e-4)
    found = run_snippet(snippet, tmp_path / "student", [tmp_path / "image.jpg"] * 2)
    assert found.shape == (2, 3)
    np.testing.assert_allclose(found, np.tile(answer.probabilities.numpy(), (2, 1)), rtol=1e-4)


def test_the_snippet_of_every_example_is_python_that_names_its_home() -> None:
    for report in REPORTS.values():
        for home in (None, "you/beans"):
            text = snippet_of(report, home, None).text
            compile(text, "snippet", "exec")
            assert (home or "student") in text
            assert "hubslice.task" not in text
