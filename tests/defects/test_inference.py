import pytest
import torch
from torch import nn

from hubslice.defects.inference import fingerprint, placed, predictions
from hubslice.models.timm_adapter import TimmModel
from tests.defects.handmade import CLASSES, Handmade, PixelFeatures, coded_images, random_images

CPU = torch.device("cpu")


def test_a_placed_model_is_frozen_and_comes_back_as_it_was() -> None:
    model = TimmModel.create("test_resnet", CLASSES, seed=0)
    model.module.train()
    model.module.get_classifier().eval()
    model.module.conv1[0].weight.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    modes = [module.training for module in model.module.modules()]
    gradients = [parameter.requires_grad for parameter in model.module.parameters()]
    with placed(model, CPU):
        assert not any(module.training for module in model.module.modules())
        assert not any(parameter.requires_grad for parameter in model.module.parameters())
    assert [module.training for module in model.module.modules()] == modes
    assert [parameter.requires_grad for parameter in model.module.parameters()] == gradients
    for name, tensor in model.module.state_dict().items():
        assert torch.equal(tensor, before[name])
        assert tensor.stride() == before[name].stride()


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_predictions_are_the_likeliest_classes(batch_size: int) -> None:
    audit_set = random_images(5)
    model = Handmade(PixelFeatures())
    expected = [int(model.logits(image[None].float() / 255).argmax()) for image in audit_set.pixels]
    assert predictions(model, audit_set.pixels, batch_size=batch_size, device=CPU).tolist() == expected


def test_dropout_is_off_when_predicting() -> None:
    class Forgetful(PixelFeatures):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return super().forward(nn.functional.dropout(inputs, 0.9, self.training))

    model = Handmade(Forgetful())
    model.module.train()
    audit_set = coded_images([0, 1, 2] * 5, [0, 1, 2] * 5)
    first, second = (predictions(model, audit_set.pixels, batch_size=4, device=CPU) for _ in range(2))
    assert first.tolist() == second.tolist()
    assert model.module.training


def test_the_fingerprint_follows_the_content() -> None:
    model = TimmModel.create("test_resnet", CLASSES, seed=0)
    original = fingerprint(model)
    with placed(model, CPU):
        assert fingerprint(model) == original, "the layout in memory is not content"
    assert fingerprint(TimmModel.create("test_resnet", CLASSES, seed=0)) == original
    assert fingerprint(TimmModel.create("test_resnet", CLASSES, seed=1)) != original
    with torch.no_grad():
        model.module.get_classifier().bias[0] += 1
    assert fingerprint(model) != original
