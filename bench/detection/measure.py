"""Scores of every method on the same images, learned from the same clean ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from hubslice.models.base import Model
from hubslice.tracing.means import take_means
from hubslice.tracing.network import Arrays, Network
from hubslice.tracing.selection import Selection
from hubslice.tracing.traceable import TraceableModel, traceable_of
from hubslice.verbs.detect.conformal import closeness, conformal_score
from hubslice.verbs.detect.detector import MARGIN, SLICE, held_out, learn, measures
from hubslice.verbs.detect.neighbours import NEAREST, Neighbours
from hubslice.verbs.detect.vectors import Shape, tail, trace_each

CLEAN = 4000  # images of the training split that every method learns from
VARIANTS = tuple(itertools.product((-2, -3), ("signed", "absolute"), (0.0, 0.1)))  # layer, shape, theta
SHIPPED = (-2, "absolute", 0.0)
PATHS = (-2, "absolute", 0.5)  # EffectivePath's, as published half of each sum
SHRINK = 0.1  # of covariances, towards the identity


@dataclass(frozen=True)
class Images:
    """Grey images uint8 [N, H, W] as the graph takes them."""

    subject: TraceableModel
    images: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, start: int, stop: int) -> Arrays:
        """Samples `start` to `stop`."""
        pixels = np.repeat(self.images[start:stop, None].astype(np.float32) / 255, 3, axis=1)
        return {self.subject.input: self.subject.prepare(pixels)}


class Slices:
    """Slices of one variant, or EffectivePath's, which are of values themselves in place of deviations."""

    def __init__(
        self, subject: TraceableModel, clean: np.ndarray, variant: tuple[int, Shape, float], path: bool = False
    ) -> None:
        at, self.shape, theta = variant
        self.subject = subject
        self.layer = subject.network.flow.layers[at].name
        self.network: Network = tail(subject.network, [self.layer])
        self.selection = Selection(rule="path" if path else "threshold", theta=theta)
        samples = Images(subject, clean)
        batches = (samples.batch(start, start + 50) for start in range(0, len(clean), 50))
        means = take_means(self.network, {0: batches})
        self.means = means.zeros() if path else means

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logits and vectors of images."""
        return trace_each(
            self.network,
            Images(self.subject, images),
            self.means,
            self.selection,
            [self.layer],
            shape=self.shape,
        )


@torch.no_grad()
def activations(model: Model, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Penultimate features [N, D], and the last convolution's feature maps after its activation [N, C h w]."""
    convolution = [layer for layer in model.module.modules() if isinstance(layer, torch.nn.ReLU)][-1]
    features, maps = [], []
    handle = convolution.register_forward_hook(lambda module, given, found: maps.append(found.flatten(1).numpy()))
    for start in range(0, len(images), 100):
        grey = torch.from_numpy(images[start : start + 100, None].astype(np.float32) / 255)
        features.append(model.features(grey.expand(-1, 3, -1, -1)).numpy())
    handle.remove()
    return np.concatenate(features), np.concatenate(maps)


class Methods:
    """All methods, after they have seen the clean images."""

    def __init__(self, model: Model, clean: np.ndarray) -> None:
        from sklearn.tree import DecisionTreeClassifier

        self.model = model
        self.slices = Slices(traceable_of(model), clean, SHIPPED)
        self.paths = Slices(self.slices.subject, clean, PATHS, path=True)
        logits, vectors = self.slices(clean)
        paths = self.paths(clean)[1]
        answers = logits.argmax(axis=1)
        self.neighbours, self.clean, self.threshold = learn(vectors, logits, 0.05, (SLICE, MARGIN), 0)
        # What the detector holds out for its threshold, the others do without, too.
        kept = ~held_out(answers, 0)
        answers = answers[kept]
        self.tree = DecisionTreeClassifier(random_state=0).fit(vectors[kept], answers)
        features, maps = activations(model, clean[kept])
        self.maps = Neighbours.of(maps, answers)
        self.path = Neighbours.of(paths[kept], answers)
        self.features = Neighbours.of(features, answers)
        self.gauss = Gauss(features, answers)

    def scores(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Scores [N] by method, higher for odder."""
        logits, vectors = self.slices(images)
        answers = logits.argmax(axis=1)
        features, maps = activations(self.model, images)
        chances = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
        found = measures(self.neighbours, vectors, logits, (SLICE, MARGIN))
        return {
            "softmax": -chances.max(axis=1) / chances.sum(axis=1),
            "margin": closeness(logits),
            "mahalanobis": self.gauss.distances(features, answers),
            "knn": nearest(self.features, features, answers),
            "maps": self.maps.oddness(maps, answers),
            "path": self.path.oddness(self.paths(images)[1], answers),
            "tree": (self.tree.predict(vectors) != answers).astype(float),
            "slice": found[SLICE],
            "slice+margin": conformal_score(self.clean, found),
        }


class Gauss:
    """A Gaussian for each answer, one covariance for all (Lee et al., 2018)."""

    def __init__(self, features: np.ndarray, answers: np.ndarray) -> None:
        self.means = {int(label): features[answers == label].mean(axis=0) for label in np.unique(answers)}
        left = features - np.stack([self.means[int(label)] for label in answers])
        covariance = left.T @ left / len(left)
        size = len(covariance)
        covariance = (1 - SHRINK) * covariance + SHRINK * np.trace(covariance) / size * np.eye(size)
        self.inverse = np.linalg.inv(covariance)

    def distances(self, features: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """To the mean of the answer [N]."""
        left = features - np.stack([self.means[int(label)] for label in answers])
        found: np.ndarray = np.einsum("nd,de,ne->n", left, self.inverse, left)
        return found


def nearest(clean: Neighbours, features: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Distance [N] to the fifth nearest clean features of the same answer."""
    found = np.empty(len(features))
    scaled = (features - clean.centre) * clean.scale
    for label in np.unique(answers):
        same, asked = clean.vectors[clean.answers == label], np.flatnonzero(answers == label)
        apart = (scaled[asked] ** 2).sum(axis=1)[:, None] - 2 * scaled[asked] @ same.T + (same**2).sum(axis=1)
        found[asked] = np.partition(apart, NEAREST - 1, axis=1)[:, NEAREST - 1]
    return found


def variant_scores(
    subject: TraceableModel, clean: np.ndarray, variant: tuple[int, Shape, float]
) -> Callable[[np.ndarray], np.ndarray]:
    """How odd the slices of one variant are, of images."""
    slices = Slices(subject, clean, variant)
    logits, vectors = slices(clean)
    neighbours = learn(vectors, logits, 0.05, (SLICE,), 0)[0]

    def score(images: np.ndarray) -> np.ndarray:
        logits, vectors = slices(images)
        return neighbours.oddness(vectors, logits.argmax(axis=1))

    return score


def title(variant: tuple[int, Shape, float]) -> str:
    """A variant in words."""
    at, shape, theta = variant
    return f"{ {-2: 'last', -3: 'last but one'}[at] } convolution, {shape}, theta {theta:g}"
