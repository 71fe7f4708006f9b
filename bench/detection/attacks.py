"""The 17 attack settings of the NNSlicer paper, from maintained libraries, on images that the model gets right.

The authors used foolbox 2. Where foolbox 3 no longer has an attack, the nearest one of the Adversarial Robustness
Toolbox stands in. Images stay grey and on the 8-bit grid: what a detector is handed is what a file can hold, and an
attack counts only if the rounded image still fools the model.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hubslice.models.base import Model

Attack = Callable[[Any, Any, Tensor, Tensor], Tensor]
CHUNK = 50  # images that are attacked at a time
PER_HALF = {"choice": 60, "test": 120}  # successes that are enough
SLOW = {"choice": 25, "test": 100}  # of attacks that take seconds an image
MOST = 3000  # images of a half that are tried at the most


@dataclass(frozen=True)
class Setting:
    """An attack as configured: `source` names library, class and arguments, `instead` what the paper had."""

    name: str
    source: str
    attack: Attack
    instead: str = ""
    slow: bool = False
    nearest: bool = False  # tried first on images with small margins, elsewhere it hardly ever succeeds


class Grey(nn.Module):
    """The model for grey images [N, 1, H, W] in [0, 1]: logits."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.module = model.module
        self._logits = model.logits

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits [N, classes]."""
        return self._logits(pixels.expand(-1, 3, -1, -1))


def _foolbox(name: str, epsilon: float | None = None, run: dict[str, Any] | None = None, **options: Any) -> Attack:
    def attack(grey: Any, art: Any, pixels: Tensor, labels: Tensor) -> Tensor:
        import foolbox

        model = foolbox.PyTorchModel(grey, bounds=(0, 1), device="cpu")
        made = getattr(foolbox.attacks, name)(**options)
        found: Tensor = made(model, pixels, foolbox.criteria.Misclassification(labels), epsilons=epsilon, **run or {})[
            1
        ]
        return found

    return attack


def _art(name: str, **options: Any) -> Attack:
    def attack(grey: Any, art: Any, pixels: Tensor, labels: Tensor) -> Tensor:
        import art.attacks.evasion as evasion

        made = getattr(evasion, name)(art(), verbose=False, **options)
        return torch.from_numpy(np.asarray(made.generate(pixels.numpy(), y=_hot(labels)), np.float32))

    return attack


def _untargeted(name: str, **options: Any) -> Attack:
    """An attack of ART that takes labels as targets, so that it is given none."""

    def attack(grey: Any, art: Any, pixels: Tensor, labels: Tensor) -> Tensor:
        import art.attacks.evasion as evasion

        made = getattr(evasion, name)(art(), verbose=False, **options)
        return torch.from_numpy(np.asarray(made.generate(pixels.numpy()), np.float32))

    return attack


def _simba(**options: Any) -> Attack:
    def attack(grey: Any, art: Any, pixels: Tensor, labels: Tensor) -> Tensor:
        from art.attacks.evasion import SimBA
        from art.estimators.classification import PyTorchClassifier

        class Chances(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                return grey(x).softmax(1)

        shape = tuple(pixels.shape[1:])
        classifier = PyTorchClassifier(Chances(), nn.NLLLoss(), shape, labels_classes(grey), clip_values=(0, 1))
        made = SimBA(classifier, verbose=False, **options)
        return torch.from_numpy(np.asarray(made.generate(pixels.numpy(), y=_hot(labels)), np.float32))

    return attack


def labels_classes(grey: Grey) -> int:
    """How many classes the model has."""
    with torch.no_grad():
        return int(grey(torch.zeros(1, 1, 28, 28)).shape[1])


def _hot(labels: Tensor) -> np.ndarray:
    return nn.functional.one_hot(labels, 10).numpy()


def _fgsm(size: int) -> Setting:
    source = f"foolbox LinfFastGradientAttack, {size}/255"
    return Setting(f"FGSM_{size}", source, _foolbox("LinfFastGradientAttack", size / 255))


def _rpgd(size: int) -> Setting:
    source = f"foolbox LinfPGD, {size}/255, 10 steps of a quarter, random start"
    return Setting(f"RPGD_{size}", source, _foolbox("LinfPGD", size / 255, steps=10, rel_stepsize=0.25))


SETTINGS = (
    _fgsm(2),
    _fgsm(4),
    _fgsm(8),
    _rpgd(2),
    _rpgd(4),
    _rpgd(8),
    Setting("DeepFoolLinf", "foolbox LinfDeepFoolAttack", _foolbox("LinfDeepFoolAttack")),
    Setting("DeepFoolL2", "foolbox L2DeepFoolAttack", _foolbox("L2DeepFoolAttack")),
    Setting("GaussianBlur", "foolbox GaussianBlurAttack, 50 steps", _foolbox("GaussianBlurAttack", steps=50)),
    Setting(
        "Spatial",
        "foolbox SpatialAttack, grid, up to 3 pixels and 30 degrees",
        _foolbox("SpatialAttack", max_translation=3, max_rotation=30, num_translations=5, num_rotations=5),
    ),
    Setting(
        "JSMA",
        "ART SaliencyMapMethod, theta 1, gamma 0.13",
        _untargeted("SaliencyMapMethod", theta=1.0, gamma=0.13),
        slow=True,
    ),
    Setting(
        "LocalSearch",
        "ART SimBA, single pixels in random order, epsilon 0.5, 200 queries",
        _simba(attack="px", order="random", epsilon=0.5, max_iter=200),
        instead="LocalSearch, which foolbox 3 has no more",
        slow=True,
    ),
    Setting("Boundary", "foolbox BoundaryAttack, 500 steps", _foolbox("BoundaryAttack", steps=500), slow=True),
    Setting(
        "CWL2",
        "foolbox L2CarliniWagnerAttack, 100 steps, 3 constants",
        _foolbox("L2CarliniWagnerAttack", steps=100, binary_search_steps=3, stepsize=0.02, initial_const=1.0),
        slow=True,
    ),
    Setting("Pointwise", "foolbox PointwiseAttack", _foolbox("PointwiseAttack"), slow=True),
    Setting(
        "ADef",
        "ART Wasserstein, which moves intensity to neighbouring pixels",
        _art(
            "Wasserstein",
            max_iter=20,
            regularization=300,
            conjugate_sinkhorn_max_iter=50,
            projected_sinkhorn_max_iter=50,
            eps=1.0,
        ),
        instead="ADef, which foolbox 3 has no more",
        slow=True,
    ),
    Setting(
        "SinglePixel",
        "ART PixelAttack, 1 pixel, 2 generations",
        _untargeted("PixelAttack", th=1, es=1, max_iter=2),
        instead="SinglePixel, which foolbox 3 has no more",
        slow=True,
        nearest=True,
    ),
)


@dataclass(frozen=True)
class Attacked:
    """Successes of an attack: grey images uint8 [n, H, W], their rows in the test table, how many were tried."""

    images: np.ndarray
    rows: np.ndarray
    tried: int

    def half(self, name: str) -> np.ndarray:
        """Indices of what belongs to the half."""
        return np.flatnonzero(half_of(self.rows) == name)


def half_of(rows: np.ndarray) -> np.ndarray:
    """Of each row of the test table, which half it belongs to: `choice` or `test`."""
    return np.where(rows % 2 == 0, "choice", "test")


def attack(setting: Setting, model: Model, images: np.ndarray, labels: np.ndarray, cache: Path) -> Attacked:
    """Attack images uint8 [N, H, W] until each half has enough successes; what is in the cache is not made again."""
    path = cache / f"{setting.name}.npz"
    if path.is_file():
        stored = np.load(path)
        return Attacked(stored["images" if "images" in stored else "pictures"], stored["rows"], int(stored["tried"]))
    torch.manual_seed(0)
    np.random.seed(0)  # what ART draws from
    grey = Grey(model).eval()
    for parameter in grey.parameters():
        parameter.requires_grad_(False)
    logits = answers(grey, images)
    right = np.flatnonzero(logits.argmax(axis=1) == labels)
    if setting.nearest:
        ordered = np.sort(logits[right], axis=1)
        right = right[np.argsort(ordered[:, -1] - ordered[:, -2], kind="stable")]

    def art() -> Any:
        from art.estimators.classification import PyTorchClassifier

        return PyTorchClassifier(grey, nn.CrossEntropyLoss(), (1, *images.shape[1:]), 10, clip_values=(0, 1))

    found, tried = [], 0
    for half, wanted in (SLOW if setting.slow else PER_HALF).items():
        rows, successes = right[half_of(right) == half][:MOST], 0
        for start in range(0, len(rows), CHUNK):
            if successes >= wanted:
                break
            some = rows[start : start + CHUNK]
            pixels = torch.from_numpy(images[some].astype(np.float32) / 255)[:, None]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                moved = setting.attack(grey, art, pixels, torch.from_numpy(labels[some]))
            rounded = (moved.detach().clamp(0, 1) * 255).round().to(torch.uint8).numpy()[:, 0]
            fooled = np.flatnonzero(answers(grey, rounded).argmax(axis=1) != labels[some])[: wanted - successes]
            found.append((rounded[fooled], some[fooled]))
            successes, tried = successes + len(fooled), tried + len(some)
    made = Attacked(np.concatenate([p for p, _ in found]), np.concatenate([r for _, r in found]), tried)
    draft = path.with_suffix(".draft")
    cache.mkdir(parents=True, exist_ok=True)
    with draft.open("wb") as file:
        np.savez_compressed(file, images=made.images, rows=made.rows, tried=made.tried)
    draft.replace(path)
    return made


@torch.no_grad()
def answers(grey: Grey, images: np.ndarray) -> np.ndarray:
    """Logits [N, classes] of images uint8 [N, H, W]."""
    parts = [images[at : at + 250].astype(np.float32) / 255 for at in range(0, len(images), 250)]
    return np.concatenate([grey(torch.from_numpy(part)[:, None]).numpy() for part in parts])
