"""Teachers whose images are grey, or whose channels are turned, through the verbs beside `slice`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import hubslice as package
from hubslice.artefacts.model import Preprocessing
from hubslice.card.render import _preparation
from hubslice.core.errors import ModelError
from hubslice.modality.image.pixels import prepare, to_unit
from hubslice.models.folder import load_model
from hubslice.verbs.verify.snippet import check_preparation
from tests.card.example_report import backdoored_timm
from tests.images import write_folder, write_parquet
from tests.modality.image.small import a_resnet, photographs, stock_inputs
from tests.modality.image.test_timm import a_model
from tests.run.quick import QUICK
from tests.terminal.conftest import Hubslice, hubslice

__all__ = ["hubslice"]  # the fixture

SQUARE = {"height": 48, "width": 48}
TURNED = {"image_processor_type": "PPLCNetImageProcessor", "resize_short": 52, "crop_size": SQUARE}


def with_preprocessing(preprocessing: Preprocessing | None) -> Any:
    report = backdoored_timm()
    return report.model_copy(update={"teacher": report.teacher.model_copy(update={"preprocessing": preprocessing})})


def a_grey_model(folder: Path) -> Path:
    return a_model(folder, input_size=[1, 48, 48], mean=[0.4], std=[0.3])


@pytest.mark.slow
def test_a_graph_of_turned_channels_answers_as_the_model(tmp_path: Path) -> None:
    folder = a_resnet(tmp_path / "model", TURNED)
    graph = package.convert(folder, "onnx", out=tmp_path / "graph").path / "model.onnx"
    images = write_folder(tmp_path / "images", 6)
    found = package.diff(folder, graph, images, out=tmp_path / "diff", budget=1)
    assert found.disagreed.hits == 0
    explained = package.explain(graph, images / "red", out=tmp_path / "why")
    model = load_model(folder)
    stored = sorted((images / "red").iterdir())
    answers = [model.predict(path).labels[0] for path in stored]
    assert [each.answer for each in explained.inputs] == answers


@pytest.mark.slow
def test_a_grey_teacher_is_estimated_as_it_is(tmp_path: Path, hubslice: Hubslice) -> None:
    a_grey_model(tmp_path / "teacher")
    write_parquet(tmp_path / "shapes.parquet")
    (tmp_path / "recipe.yaml").write_text(QUICK.replace(", input_size: 32", ""))
    for command in (("slice", str(tmp_path / "recipe.yaml")), ("pull", str(tmp_path / "teacher"))):
        finished = hubslice(*command, "--dry-run", "--json")
        assert finished.code == 0, finished.stderr


@pytest.mark.slow
def test_a_grey_model_does_not_teach_one_for_colour(tmp_path: Path) -> None:
    a_grey_model(tmp_path / "teacher")
    images = write_folder(tmp_path / "images")
    with pytest.raises(ModelError, match=r"test_resnet takes images of 3 channels, .* of 1: one cannot teach"):
        package.convert(tmp_path / "teacher", "distilled", into="test_resnet", data=str(images), out=tmp_path / "out")


def test_the_card_tells_the_order_of_channels_after_their_means(tmp_path: Path) -> None:
    model = load_model(a_resnet(tmp_path, TURNED))
    told = _preparation(with_preprocessing(model.preprocessing))
    assert told is not None
    assert "mean (0.406, 0.456, 0.485)" in told
    assert told.endswith("of red, green and blue, and then put into the order blue, green, red.")
    image = photographs()[0]
    by_words = (np.asarray(prepare(image, model.image_preprocessing)) / 255 - 0.0).transpose(1, 2, 0)
    by_words = ((by_words - (0.406, 0.456, 0.485)) / (0.225, 0.224, 0.229))[..., ::-1].transpose(2, 0, 1)
    assert np.allclose(by_words, stock_inputs(tmp_path, image).numpy(), atol=1e-5)


def test_a_report_of_before_names_no_processor(tmp_path: Path) -> None:
    model = load_model(
        a_resnet(
            tmp_path,
            {
                "image_processor_type": "CLIPImageProcessor",
                "size": {"shortest_edge": 56},
                "crop_size": SQUARE,
                "image_mean": [0.5] * 3,
                "image_std": [0.5] * 3,
            },
        )
    )
    former = Preprocessing(
        input_size=(3, 48, 48),
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        interpolation="bicubic",
        crop_pct=48 / 56,
        resize="shortest",
    )

    class Claims:
        report = with_preprocessing(former)

    (finding,) = check_preparation(Claims(), model)  # type: ignore[arg-type]
    assert finding.state == "agrees", finding.detail


def test_values_are_differentiable_whatever_the_order(tmp_path: Path) -> None:
    model = load_model(a_resnet(tmp_path, TURNED))
    pixels = to_unit(prepare(photographs()[0], model.image_preprocessing))[None].requires_grad_()
    inputs = model.pixels_to_inputs(pixels)
    inputs[:, 0].sum().backward()
    assert pixels.grad is not None
    assert torch.count_nonzero(pixels.grad[:, 2]) > 0
    assert torch.count_nonzero(pixels.grad[:, :2]) == 0
