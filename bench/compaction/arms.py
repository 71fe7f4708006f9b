"""What is compared: models that differ in which channels were taken out, and in when."""

from __future__ import annotations

from collections.abc import Mapping

from hubslice.artefacts.report import BASELINE
from hubslice.recipe.seam import SeamParams
from hubslice.recipe.slicing import ChannelSlicing, MagnitudeParams, RandomParams
from hubslice.run.arms import Arm

SEAM, MAGNITUDE, RANDOM, AFTER = "seam", "magnitude", "random", "after"
PRUNER, PRUNER_LAYERS = "torch-pruning", "torch-pruning-layers"
TAYLOR, HESSIAN = "torch-pruning-taylor", "torch-pruning-hessian"
SHARE = 0.5  # of the multiply-accumulates
SHORT, LONG = 10, 20  # epochs of fine-tuning; the second is about what SeaM's search and fine-tuning take together
ALL = (0, 1, 2)

# The seeds of what is trained, by arm and epochs. SeaM has its search besides, "after" is fine-tuned before it is cut.
PLANNED: Mapping[tuple[str, int], tuple[int, ...]] = {
    (BASELINE, SHORT): ALL,
    (SEAM, SHORT): ALL,
    (MAGNITUDE, SHORT): ALL,
    (PRUNER, SHORT): ALL,
    (PRUNER_LAYERS, SHORT): ALL,
    (TAYLOR, SHORT): ALL,
    (HESSIAN, SHORT): ALL,
    (RANDOM, SHORT): (0,),
    (AFTER, SHORT): (0,),
    (MAGNITUDE, LONG): (0,),
}


def arm(name: str, recipe: SeamParams) -> Arm:
    """The arm of this name; `recipe` are the settings of the search, whose layers and multiples go for all."""
    shared = recipe.model_dump(include=set(ChannelSlicing.model_fields)) | {"ratio": 1 - SHARE}
    match name:
        case "seam":
            title, slicing = "SeaM search", recipe
        case "magnitude":
            title, slicing = "smallest norms", MagnitudeParams.model_validate(shared)
        case "random":
            title, slicing = "random channels", RandomParams.model_validate(shared)
        case "torch-pruning":
            title, slicing = "Torch-Pruning's magnitude, over the network", None
        case "torch-pruning-layers":
            title, slicing = "Torch-Pruning's magnitude, layer by layer", None
        case "torch-pruning-taylor":
            title, slicing = "Torch-Pruning's Taylor expansion, over the network", None
        case "torch-pruning-hessian":
            title, slicing = "Torch-Pruning's Hessian, over the network", None
        case "after":
            title, slicing = "fine-tuned whole, then smallest norms", MagnitudeParams.model_validate(shared)
        case _:
            title, slicing = "whole network", None
    return Arm(name, title, "student", title, slicing)
