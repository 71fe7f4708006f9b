"""Names of the ImageNet classes for models that label them with bare numbers."""

from __future__ import annotations

IMAGENET = 1000


def readable(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Replace labels by ImageNet's class names if they are the bare numbers of its 1,000 classes."""
    if len(labels) != IMAGENET or any(label != str(at) for at, label in enumerate(labels)):
        return labels
    from timm.data import ImageNetInfo

    info = ImageNetInfo()
    return tuple(str(info.index_to_description(at)) for at in range(IMAGENET))
