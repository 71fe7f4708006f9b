"""Adversarial images crafted only on the teacher's penultimate features.

Rezaei and Liu, "A Target-Agnostic Attack on Deep Models" (arXiv 1904.04334), as used in ReMoS (ICSE 2022). Differences
from the ReMoS authors' code, and reasons:

- The budget is in the valid pixel range, eps/255 in [0, 1]; theirs is 0.1 after normalisation (about 0.022 of the pixel
  range) with a clip range that admits impossible pixels.
- Images are rounded to 8 bits inside the ball before they are evaluated, so that they are real and the evidence is
  exact.
- The whole audit set is attacked, not the first 56 images.
- Each image has its own random start, and steps are a tenth of the budget as in their code.
- `feature_distance` is measured beside the published objective `guided`: how harmful it is to drive feature 0 to 1000
  depends on the meaning of that one feature for a given teacher.
- The controls `noise` and `unrelated` separate inherited weakness from plain fragility.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import ClassVar, Final, Literal

import torch
from torch import Tensor

from hubslice.artefacts.report import TEACHER
from hubslice.core.errors import ModelError
from hubslice.defects.attack import Batch, Source, Variant
from hubslice.defects.base import Defect
from hubslice.defects.bench import Bench
from hubslice.defects.draws import NOISE, START, image_bytes
from hubslice.defects.inference import as_floats
from hubslice.models.base import Model
from hubslice.recipe.defects import PenultimateParams

Objective = Literal["guided", "feature_distance"]
Loss = Callable[[Tensor], Tensor]  # features [N, D] -> values to minimise [N]

GUIDED_FEATURE: Final = 1000.0  # target of the first feature
GUIDED_REST: Final = 0.1  # weight of the other features' mean square
TITLES: Final[dict[Objective, str]] = {"guided": "one feature guided up", "feature_distance": "features moved away"}


class Penultimate(Defect):
    """Projected sign-gradient descent in pixel space, for each objective at each budget."""

    kind: ClassVar = "penultimate"
    title: ClassVar = "Adversarial images from the teacher's features"
    reference: ClassVar = "https://arxiv.org/abs/1904.04334"
    rebuild: ClassVar = (
        "Images from the teacher are stored in full. Those of the controls follow from the settings, the seed and "
        "`indices`: run the audit again and compare pictures_sha256 (kernels of another device may round differently)."
    )

    def __init__(self, params: PenultimateParams) -> None:
        self.params = params

    def variants(self) -> tuple[Variant, ...]:
        objectives = self.params.objectives
        headline = ("guided" if "guided" in objectives else objectives[0], self.params.eps[-1])
        return tuple(
            Variant(
                name=f"{objective}-eps{eps}",
                title=f"{TITLES[objective]}, eps {eps}/255",
                headline=(objective, eps) == headline,
                settings={"kind": self.kind, "objective": objective, "eps": eps, "steps": self.params.steps},
                craft=partial(self._craft, objective, eps),
                budget=eps,
                objective=TITLES[objective],
            )
            for objective in objectives
            for eps in self.params.eps
        )

    def sources(self, teacher: Model, unrelated: Model | None) -> tuple[Source, ...]:
        crafted = (Source(TEACHER, _with_features(teacher)), Source("noise"))
        return crafted if unrelated is None else (*crafted, Source("unrelated", _with_features(unrelated)))

    def threat_model(self) -> tuple[str, ...]:
        budgets = ", ".join(str(eps) for eps in self.params.eps)
        return (
            "The attacker has the teacher's weights and no access to the student: neither its weights, nor its "
            "answers, nor its training data or labels.",
            f"The attacker may change every value of an image by at most eps/255 (L-infinity), eps in {budgets}, "
            "within the valid pixel range; images are 8-bit.",
            f"The attack takes {self.params.steps} sign-gradient steps of eps/10 on the teacher's penultimate features "
            "from one random start, and wants any mistake.",
            "The attack is not adapted to the student: a low rate says nothing of attacks on the student itself.",
        )

    def notes(self, bench: Bench, sources: tuple[Source, ...]) -> tuple[str, ...]:
        networks = {source.name: source.network for source in sources if source.network is not None}
        if "unrelated" not in networks:
            return ("No unrelated network was given: the control crafted on one is left out.",)
        content = bench.fingerprint(networks["unrelated"])
        return tuple(
            f"{subject.name} is itself the unrelated network: its row of that source is an attack with full access."
            for subject in bench.subjects
            if bench.fingerprint(subject.model) == content
        )

    def _craft(self, objective: Objective, eps: int, source: Source, batch: Batch) -> Tensor:
        if source.network is None:
            return sign_noise(batch, eps)
        return adversarial(source.network, batch, objective=objective, eps=eps, steps=self.params.steps)


def _with_features(network: Model) -> Model:
    network.check_sliceable()  # raises before hours of work, not after, if there are no penultimate features
    return network


def sign_noise(batch: Batch, eps: int) -> Tensor:
    """Add plus or minus eps to every value, at random, clipped to [0, 255]: uint8 [N, 3, H, W]."""
    draws = image_bytes(batch.images, tuple(batch.pixels.shape[1:]), batch.seed, NOISE).to(batch.pixels.device)
    change = torch.where(draws >= 128, eps, -eps)
    return (batch.pixels.long() + change).clamp(0, 255).to(torch.uint8)


def adversarial(network: Model, batch: Batch, *, objective: Objective, eps: int, steps: int) -> Tensor:
    """Return images within eps/255 of the clean ones that optimise the objective on `network`: uint8 [N, 3, H, W].

    The network must be in evaluation mode, without gradients for its parameters (`placed`).

    Raises:
        ModelError: the network's features are not finite.
    """
    clean = as_floats(batch.pixels)
    low, high = (clean - eps / 255).clamp(min=0), (clean + eps / 255).clamp(max=1)
    draws = image_bytes(batch.images, tuple(batch.pixels.shape[1:]), batch.seed, START).to(clean.device)
    current = (clean + (2 * as_floats(draws) - 1) * (eps / 255)).clamp(low, high)
    loss = _loss(objective, network, clean)
    for _ in range(steps):
        current.requires_grad_(True)
        with _crafting_precision(clean.device):
            features = network.features(current)
        (gradient,) = torch.autograd.grad(loss(features.float()).sum(), current)
        current = (current.detach() - (eps / 2550) * gradient.sign()).clamp(low, high)
    if not bool(torch.isfinite(features).all()):
        raise ModelError(
            f"the penultimate features of {network.architecture} are not finite",
            hint="its weights or the images' values are damaged; name another teacher",
        )
    return _on_grid(current, batch.pixels, eps)


def _loss(objective: Objective, network: Model, clean: Tensor) -> Loss:
    if objective == "guided":
        return guided
    with torch.no_grad(), _crafting_precision(clean.device):
        origin = network.features(clean).float()
    return partial(feature_distance, origin=origin)


def guided(features: Tensor) -> Tensor:
    """(f0 - 1000)^2 + 0.1 * mean(rest^2) of features [N, D]: [N]."""
    first = (features[:, 0] - GUIDED_FEATURE).square()
    return first + GUIDED_REST * features[:, 1:].square().mean(1) if features.shape[1] > 1 else first


def feature_distance(features: Tensor, *, origin: Tensor) -> Tensor:
    """Return minus the squared distance from the clean features `origin` [N, D] over their squared norm: [N]."""
    length = origin.square().sum(1).clamp(min=torch.finfo(origin.dtype).tiny)
    return -(features - origin).square().sum(1) / length


def _on_grid(pixels: Tensor, clean: Tensor, eps: int) -> Tensor:
    """Round floats in [0, 1] to uint8 within eps of `clean`; rounding errors may have left the ball slightly."""
    centre = clean.short()
    rounded = (pixels * 255).round().short()
    return rounded.clamp(centre - eps, centre + eps).clamp(0, 255).to(torch.uint8)


def _crafting_precision(device: torch.device) -> AbstractContextManager[object]:
    """Use bfloat16 if the hardware has it: only signs matter, and every image is evaluated in float32."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext()
