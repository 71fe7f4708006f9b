from pathlib import Path

import numpy as np
import pytest
import torch

from hubslice.core.errors import ModelError
from hubslice.defects.attack import Batch
from hubslice.defects.audited import AuditedModel
from hubslice.defects.draws import START, image_bytes
from hubslice.defects.evidence import Evidence
from hubslice.defects.inference import placed, predictions
from hubslice.defects.penultimate import Objective, Penultimate, adversarial, feature_distance, guided, sign_noise
from hubslice.models.base import Model
from hubslice.models.timm_adapter import TimmModel
from hubslice.recipe.defects import PenultimateParams
from tests.defects.handmade import CLASSES, Handmade, PixelFeatures, labelled_by, random_images

CPU = torch.device("cpu")
OBJECTIVES: list[Objective] = ["guided", "feature_distance"]


def batch(n: int = 6, side: int = 8, seed: int = 0) -> Batch:
    return Batch(random_images(n, side).pixels, tuple(range(n)), seed)


def crafted(network: Model, images: Batch, objective: Objective, eps: int = 8, steps: int = 40) -> torch.Tensor:
    with placed(network, CPU):
        return adversarial(network, images, objective=objective, eps=eps, steps=steps)


def test_guided_is_the_published_objective() -> None:
    features = torch.tensor([[3.0, 1.0, 2.0], [1000.0, 0.0, 4.0]])
    assert guided(features).tolist() == pytest.approx([997.0**2 + 0.1 * 2.5, 0.1 * 8.0])
    assert guided(features[:, :1]).tolist() == pytest.approx([997.0**2, 0.0])


def test_feature_distance_is_relative() -> None:
    origin = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert feature_distance(origin + 1, origin=origin)[0].item() == pytest.approx(-2 / 25)
    assert torch.isfinite(feature_distance(origin, origin=origin)).all()


@pytest.mark.parametrize("eps", [1, 4, 12])
def test_guided_finds_the_optimum_where_features_are_pixels(eps: int) -> None:
    images = batch()
    found = crafted(Handmade(PixelFeatures()), images, "guided", eps)
    expected = images.pixels.short() - eps  # all features to zero ...
    expected[:, 0, 0, 0] += 2 * eps  # ... but the first, to 1000
    assert torch.equal(found, expected.clamp(0, 255).to(torch.uint8))


@pytest.mark.parametrize("eps", [1, 4, 12])
def test_feature_distance_goes_on_from_its_start_to_the_border(eps: int) -> None:
    images = batch()
    found = crafted(Handmade(PixelFeatures()), images, "feature_distance", eps)
    upwards = image_bytes(images.images, (3, 8, 8), 0, START) >= 128
    expected = images.pixels.short() + torch.where(upwards, eps, -eps)
    assert torch.equal(found, expected.clamp(0, 255).to(torch.uint8))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_attacks_on_a_real_network_stay_in_the_ball_and_gain(objective: Objective) -> None:
    network = TimmModel.create("test_resnet", CLASSES, seed=0)
    images = batch(4, side=32)
    found = crafted(network, images, objective, eps=6, steps=8)
    change = found.short() - images.pixels.short()
    assert found.dtype == torch.uint8
    assert change.abs().max() == 6
    network.module.eval()
    with torch.no_grad():
        origin = network.features(images.pixels.float() / 255)
        reached = {
            name: network.features(tensor.float() / 255)
            for name, tensor in (("attack", found), ("noise", sign_noise(images, 6)))
        }
    loss = {
        name: guided(features) if objective == "guided" else feature_distance(features, origin=origin)
        for name, features in reached.items()
    }
    assert (loss["attack"] < loss["noise"]).all(), "gradients beat noise of the same budget"


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_batch_an_image_comes_in_does_not_matter(objective: Objective) -> None:
    whole = batch(5)
    together = crafted(Handmade(PixelFeatures()), whole, objective, steps=5)
    noise = sign_noise(whole, 4)
    for i in range(5):
        alone = Batch(whole.pixels[i : i + 1], (i,), 0)
        assert torch.equal(crafted(Handmade(PixelFeatures()), alone, objective, steps=5)[0], together[i])
        assert torch.equal(sign_noise(alone, 4)[0], noise[i])


def test_noise_has_the_full_budget_on_every_value() -> None:
    images = batch()
    change = sign_noise(images, 5).short() - images.pixels.short()
    inner = (images.pixels >= 5) & (images.pixels <= 250)
    assert change[inner].abs().unique().tolist() == [5]
    assert change[inner].float().mean().abs() < 1
    up, down = torch.where(inner, 5, 255 - images.pixels.short()), torch.where(inner, -5, -images.pixels.short())
    at_edge = (change == up.clamp(max=5)) | (change == down.clamp(min=-5))
    assert at_edge.all()
    assert not torch.equal(sign_noise(images, 5), sign_noise(Batch(images.pixels, images.images, 1), 5))


def test_features_that_are_not_finite_are_refused() -> None:
    network = Handmade(PixelFeatures())
    network.pixels_to_inputs = lambda pixels: pixels * float("inf")  # type: ignore[method-assign]
    with pytest.raises(ModelError, match="features of PixelFeatures are not finite"):
        crafted(network, batch(), "guided")


PARAMS = PenultimateParams(kind="penultimate", eps=(2, 30), steps=12)


def test_the_audit_of_linear_models(tmp_path: Path) -> None:
    teacher, student = Handmade(PixelFeatures(), labels=("1", "2", "3")), Handmade(PixelFeatures(seed=1))
    finetune = Handmade(PixelFeatures(seed=2))
    audit_set = labelled_by(student, random_images(30))
    report = Penultimate(PARAMS).measure(
        [AuditedModel("student", student), AuditedModel("finetune", finetune)],
        audit_set,
        teacher=teacher,
        unrelated=finetune,
        evidence_folder=tmp_path,
        seed=3,
        batch_size=7,
    )
    assert [(variant.name, variant.headline) for variant in report.variants] == [
        ("guided-eps2", False),
        ("guided-eps30", True),
        ("feature_distance-eps2", False),
        ("feature_distance-eps30", False),
    ]
    assert [(row.arm, row.source) for row in report.variants[0].rows] == [
        (arm, source) for source in ("teacher", "noise", "unrelated") for arm in ("student", "finetune")
    ]
    assert any(note.startswith("finetune is itself the unrelated network") for note in report.notes)
    assert any("attacked but not judged" in note for note in report.notes)
    for variant in report.variants:
        evidence = Evidence.load(tmp_path / variant.evidence)
        assert evidence.rows() == variant.rows
        assert len(evidence.images) == 30
        change = evidence.images.short() - audit_set.pixels.short()
        assert change.abs().max() <= evidence.about["settings"]["eps"]
        for name, model in (("student", student), ("finetune", finetune)):
            again = predictions(model, evidence.images, batch_size=30, device=CPU)
            np.testing.assert_array_equal(evidence.attacked["teacher"][name], again)
        wrong = int((evidence.attacked["teacher"]["student"] != evidence.truth).sum())
        (row,) = [row for row in variant.rows if (row.arm, row.source) == ("student", "teacher")]
        assert (row.dir.hits, row.dir.total) == (wrong, 30)
        assert variant.reduction is not None


def test_without_an_unrelated_network_its_control_is_left_out(tmp_path: Path) -> None:
    model = Handmade(PixelFeatures())
    report = Penultimate(PARAMS.model_copy(update={"objectives": ("feature_distance",)})).measure(
        [AuditedModel("student", model)], random_images(4), teacher=model, evidence_folder=tmp_path, seed=0
    )
    assert [variant.headline for variant in report.variants] == [False, True]
    assert {row.source for row in report.variants[0].rows} == {"teacher", "noise"}
    assert {row.arm for row in report.variants[0].rows} == {"student", "teacher"}
    assert any(note.startswith("No unrelated network was given") for note in report.notes)
