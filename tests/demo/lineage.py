"""Whose child the demo's student is: models to confuse it with, and what the search has to answer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import timm
import torch
from timm.models import save_for_hf

from hubslice.artefacts.lineage import Lineage
from hubslice.verbs.lineage.service import FACTS

STRANGERS: Final = 4
_SECONDS: Final = 20.0  # it takes about one; a machine may be busy


def write_strangers(architecture: str, folder: Path, count: int = STRANGERS) -> Path:
    """A folder of models of the teacher's architecture with random weights, each of another seed."""
    for seed in range(count):
        place = folder / f"seed-{seed}"
        if not (place / "model.safetensors").is_file():
            torch.manual_seed(seed)
            save_for_hf(timm.create_model(architecture, pretrained=False), str(place), safe_serialization=True)
    return folder


def check_parent(folder: Path, parent: str, searched: int) -> None:
    """End with a non-zero exit code unless the search named the parent, among so many models, within seconds."""
    found = Lineage.load(folder / FACTS)
    first = f"{found.candidates[0].candidate}: {found.candidates[0].verdict}" if found.candidates else "nothing"
    said = f"{first}, among {found.searched}, in {found.seconds:.1f} s"
    if (found.parent, found.searched) != (parent, searched) or found.seconds > _SECONDS:
        sys.exit(f"the student's teacher is {parent}, among {searched}; the search said {said}")
    print(f"right: {said}")
