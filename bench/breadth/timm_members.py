"""A member for each module of timm that registers architectures: the one with the fewest parameters."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from torch import nn

from .building import build, timm_module
from .member import CLASSES, Member

SIDES = (64, 96, 128, 160, 192, 224, 240, 256)  # pixels; the first with which it runs

SLOW = ("halonet_h1",)  # few parameters, but minutes for an image
# Arguments that make architectures smaller; the first are used that one takes, and that do make it smaller.
SMALLER: tuple[Mapping[str, Any], ...] = (
    {"embed_dim": 48, "depth": 2, "num_heads": 2},
    {"embed_dim": 24, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 2, 4]},
    {"embed_dim": 24, "num_heads": 1, "stages": [1, 1, 2, 1]},
    {"embed_dim": 24, "depths": [1, 1, 2, 1]},
    {"dim": 48, "depth": 2},
    {"depth": 2},
    {"depths": [1, 1, 2, 1]},
    {"depths": [1, 1, 1]},
    {"dims": [16, 24, 32, 48], "depths": [1, 1, 2, 2], "transformer_depths": [0, 0, 1, 1]},
    {"serial_depths": [1, 1, 1, 1], "parallel_depth": 1},
    {"layers": [1, 1, 1, 1]},
    {"num_blocks": 2},
    {"channel_multiplier": 0.25},
    {"num_features": 672, "stem_size": 32},
    {"block_config": [2, 2, 2]},
    {},
)


def timm_members() -> Iterator[Member]:
    """In the order of the modules' names; takes minutes, since every architecture is made once, without memory."""
    families = defaultdict(list)
    for name in timm.list_models():
        families[timm.model_entrypoint(name).__module__.rpartition(".")[2]].append(name)
    for family in sorted(families):
        yield timm_member(family, families[family])


def timm_member(family: str, names: list[str]) -> Member:
    """The smallest of these architectures; one with a classifier, where there is one."""
    headless = {name: _classes(name) == 0 for name in names}
    name = min(names, key=lambda each: (not _takes_classifier(each), headless[each], each in SLOW, _size(each), each))
    usual = _size(name)
    told: Exception | None = None
    for smaller in SMALLER:
        if smaller and not _takes(name, smaller, usual):
            continue
        for side in SIDES:
            for more in ({"img_size": side}, {}):
                member = Member(
                    library="timm",
                    family=family,
                    name=name,
                    side=side,
                    arguments={**smaller, **more},
                    headless=headless[name],
                )
                try:
                    _try(member)
                except Exception as error:  # architectures document no closed set of errors over sizes
                    told = error
                else:
                    return member
    raise ValueError(f"{family}: {name} runs on no image of {SIDES[0]} to {SIDES[-1]} pixels") from told


def _takes(name: str, arguments: Mapping[str, Any], usual: int) -> bool:
    try:
        return _size(name, arguments) < usual
    except Exception:  # an argument that it does not take, or that does not go with the others
        return False


def _classes(name: str) -> int:
    published = timm.models.get_pretrained_cfg(name)
    return 1000 if published is None else int(published.num_classes)


def _takes_classifier(name: str) -> bool:
    """Not the towers that were made to feed another model, such as Gemma's encoders."""
    with _quiet(), torch.device("meta"):
        return hasattr(timm.create_model(name), "reset_classifier")


def _size(name: str, arguments: Mapping[str, Any] | None = None) -> int:
    with _quiet(), torch.device("meta"):
        return _count(timm.create_model(name, **(arguments or {})))


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@torch.no_grad()
def _try(member: Member) -> None:
    """Raise whatever the architecture raises over images of this size, in training too, or over being saved."""
    with _quiet():
        module = timm_module(member).eval()
        found = module(torch.rand(2, 3, member.side, member.side))
        module.train()(torch.rand(4, 3, member.side, member.side))
        with tempfile.TemporaryDirectory() as folder:
            build(member, Path(folder) / member.name)
    if not member.headless and tuple(found.shape) != (2, len(CLASSES)):
        raise ValueError(f"{member.name} gives {tuple(found.shape)}")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
