"""Evidence: the images and predictions behind a defect's rates, so that anyone can recount them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import save as to_safetensors
from torch import Tensor

from hubslice.artefacts.report import BASELINE, STUDENT, TEACHER, DefectRow
from hubslice.core.artefact import write_atomically
from hubslice.core.errors import RunError
from hubslice.core.foreign_errors import message_of
from hubslice.core.paths import AnyPath
from hubslice.core.rate import Reduction
from hubslice.defects.rates import defect_row, paired_reduction
from hubslice.files.sealed import UNREADABLE

FORMAT: Final = "hubslice-evidence-1"


@dataclass(frozen=True)
class Evidence:
    """One variant of a defect, image by image.

    `about` contains plain data: kind, variant, settings, seed, classes, target class, the attacked images' sha256 by
    source, and how to recreate those that are not stored. `clean` maps a subject, `attacked` a source and a subject, to
    predicted classes int64 [n]. `images` are the first attacked images of the source "teacher", uint8 [m, 3, H, W], m
    <= n; `exhibits` are further tensors such as the trigger.
    """

    about: Mapping[str, Any]
    indices: np.ndarray
    truth: np.ndarray
    clean: Mapping[str, np.ndarray]
    attacked: Mapping[str, Mapping[str, np.ndarray]]
    images: Tensor
    exhibits: Mapping[str, Tensor]

    def rows(self) -> tuple[DefectRow, ...]:
        """Count the rates from the predictions: source by source, subject by subject."""
        return tuple(
            defect_row(
                arm, source, truth=self.truth, clean=self.clean[arm], attacked=found, target=self.about["target"]
            )
            for source, arms in self.attacked.items()
            for arm, found in arms.items()
        )

    def reduction(self) -> Reduction | None:
        """Return how much smaller the student's rate is than the baseline's; None if one of them is missing."""
        if not {STUDENT, BASELINE} <= self.clean.keys():
            return None
        wrong = {arm: self.attacked[TEACHER][arm] != self.truth for arm in (STUDENT, BASELINE)}
        correct = {arm: self.clean[arm] == self.truth for arm in (STUDENT, BASELINE)}
        return paired_reduction(
            wrong[STUDENT], correct[STUDENT], wrong[BASELINE], correct[BASELINE], self.about["seed"], baseline=BASELINE
        )

    def save(self, path: AnyPath) -> None:
        """Write as safetensors, atomically: `indices`, `labels`, `clean/ARM`, `attacked/SOURCE/ARM`, `images`, ...

        Equal evidence gives equal bytes: its description is one metadata entry with sorted keys.
        """
        arrays: dict[str, np.ndarray] = {
            "indices": self.indices,
            "labels": self.truth,
            "pictures": self.images.numpy(),
            **{f"clean/{arm}": found for arm, found in self.clean.items()},
            **{f"exhibit/{name}": tensor.numpy() for name, tensor in self.exhibits.items()},
        }
        for source, arms in self.attacked.items():
            arrays |= {f"attacked/{source}/{arm}": found for arm, found in arms.items()}
        arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        order = {"sources": list(self.attacked), "arms": list(self.clean)}
        about = json.dumps({"format": FORMAT, "order": order, **self.about}, sort_keys=True)
        write_atomically(path, to_safetensors(arrays, metadata={"hubslice": about}))

    @classmethod
    def load(cls, path: AnyPath) -> Evidence:
        """Read a file that `save` wrote.

        Raises:
            RunError: the file is missing, damaged or not evidence of this version.
        """
        try:
            with safe_open(path, framework="np") as file:
                about = json.loads((file.metadata() or {}).get("hubslice", "{}"))
                if not isinstance(about, dict) or about.pop("format", None) != FORMAT:
                    raise RunError(f"{path} is a safetensors file but not evidence of this version")
                order = about.pop("order")
                names = file.keys()
                arrays = {name: file.get_tensor(name) for name in names}
            return cls(
                about=about,
                indices=arrays["indices"],
                truth=arrays["labels"],
                clean={arm: arrays[f"clean/{arm}"] for arm in order["arms"]},
                attacked={
                    source: {arm: arrays[f"attacked/{source}/{arm}"] for arm in order["arms"]}
                    for source in order["sources"]
                },
                images=torch.from_numpy(arrays["pictures"]),
                exhibits={
                    name.removeprefix("exhibit/"): torch.from_numpy(array)
                    for name, array in sorted(arrays.items())
                    if name.startswith("exhibit/")
                },
            )
        except UNREADABLE as error:
            raise RunError(
                f"{path} cannot be read as evidence: {message_of(error)}", hint="run `hubslice audit` again"
            ) from error
