"""A member for each image classification class of transformers."""

from __future__ import annotations

from collections.abc import Iterator

from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES

from .member import Member

FIXED = {"PerceiverForImageClassificationFourier": 224, "PerceiverForImageClassificationConvProcessing": 224}


def transformers_members() -> Iterator[Member]:
    """In the order of the types' names."""
    for kind, given in sorted(MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES.items()):
        names = (given,) if isinstance(given, str) else given
        for name in names:
            own = name.partition("ForImageClassification")[2]
            yield Member(
                library="transformers",
                family=f"{kind}+{own}" if own else kind,
                name=name,
                side=FIXED.get(name, 64),
            )
