"""Names for the classes of ImageNet where a model calls them by bare numbers."""

from __future__ import annotations

IMAGENET = 1000


def readable(labels: tuple[str, ...]) -> tuple[str, ...]:
    """ImageNet's own names where the labels are the bare numbers of its 1,000 classes."""
    if len(labels) != IMAGENET or any(label != str(at) for at, label in enumerate(labels)):
        return labels
    from timm.data import ImageNetInfo

    info = ImageNetInfo()
    return tuple(str(info.index_to_description(at)) for at in range(IMAGENET))
