"""The committed result of a seed: every arm's predictions, from which all tables can be counted again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save as to_safetensors

from hubslice.artefacts.report import DefectRow
from hubslice.core.artefact import write_atomically
from hubslice.defects.evidence import Evidence
from hubslice.defects.rates import defect_row

FORMAT: Final = "hubslice-bench-predictions-1"
CLEAN: Final = "clean"


@dataclass(frozen=True)
class Predictions:
    """Classes that the arms of one seed see in one split's images.

    `arms` maps a name to its title; `about` holds seed, size, machine, settings and the attacked images' sha256.
    `labels` and every entry of `seen` are uint8 [n]; `seen` is keyed by attack, source and arm, where the clean
    images are the attack `clean` with the source `clean`.
    """

    about: Mapping[str, Any]
    arms: Mapping[str, str]
    labels: np.ndarray
    seen: Mapping[tuple[str, str, str], np.ndarray]

    @property
    def attacks(self) -> dict[str, list[str]]:
        """The sources of each attack."""
        found: dict[str, list[str]] = {}
        for attack, source, _ in self.seen:
            if attack != CLEAN and source not in found.setdefault(attack, []):
                found[attack].append(source)
        return found

    def clean(self, arm: str) -> np.ndarray:
        """What the arm sees in the clean images."""
        return self.seen[CLEAN, CLEAN, arm]

    def row(self, attack: str, source: str, arm: str) -> DefectRow:
        """The arm's rates under the attack."""
        target = self.about["targets"][attack]
        attacked = self.seen[attack, source, arm]
        return defect_row(arm, source, truth=self.labels, clean=self.clean(arm), attacked=attacked, target=target)

    @classmethod
    def gather(cls, evidence: Sequence[Evidence], arms: Mapping[str, str], about: Mapping[str, Any]) -> Predictions:
        """From the evidence of every attack on the same images."""
        first = evidence[0]
        seen = {(CLEAN, CLEAN, arm): first.clean[arm] for arm in arms}
        names = [f"{each.about['kind']}-{each.about['variant']}" for each in evidence]
        for name, each in zip(names, evidence, strict=True):
            if not np.array_equal(each.truth, first.truth):
                raise ValueError(f"{name} was measured on other images")
            for source, found in each.attacked.items():
                seen |= {(name, source, arm): found[arm] for arm in arms}
        told = {
            "targets": {name: each.about["target"] for name, each in zip(names, evidence, strict=True)},
            "settings": {name: each.about["settings"] for name, each in zip(names, evidence, strict=True)},
            "pictures_sha256": {
                name: each.about["pictures_sha256"] for name, each in zip(names, evidence, strict=True)
            },
            "classes": first.about["classes"],
        }
        return cls({**about, **told}, dict(arms), first.truth, seen)

    def save(self, path: Path) -> None:
        """Write as safetensors, atomically; the same predictions give the same bytes."""
        arrays = {"labels": self.labels, **{"/".join(key): found for key, found in self.seen.items()}}
        about = json.dumps({"format": FORMAT, "arms": self.arms, "about": self.about})
        small = {name: array.astype(np.uint8) for name, array in arrays.items()}
        write_atomically(path, to_safetensors(small, metadata={"hubslice": about}))

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Read what `save` wrote."""
        with safe_open(path, framework="np") as file:
            told = json.loads(file.metadata()["hubslice"])
            arrays = {name: file.get_tensor(name).astype(np.int64) for name in file.keys()}  # noqa: SIM118
        labels = arrays.pop("labels")
        seen = {}
        for name, array in arrays.items():
            attack, source, arm = name.split("/")
            seen[attack, source, arm] = array
        return cls(told["about"], told["arms"], labels, seen)
