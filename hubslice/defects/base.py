"""The base class of defects: a fixed measurement, for which a defect only defines how attacked images are made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, Final, final

import numpy as np
import torch
from torch import Tensor

from hubslice.artefacts.report import BASELINE, STUDENT, TEACHER, DefectReport, DefectVariant
from hubslice.core.errors import HubsliceError
from hubslice.core.progress import Bar, Reporter, Silent
from hubslice.defects.attack import Source, Variant
from hubslice.defects.audited import AuditedModel, AuditSet, judged
from hubslice.defects.bench import Bench
from hubslice.defects.checkpoints import Checkpoints
from hubslice.defects.evidence import Evidence
from hubslice.defects.inference import tensor_bytes
from hubslice.models.base import Model

LEAST_CORRECT: Final = 200  # clean-correct images, below which a rate is only indicative


class Defect(ABC):
    """A defect that a student may inherit. The constructor takes the recipe's parameters, `measure` takes the data.

    A subclass provides `variants`, whose `craft` makes attacked images; it never sees labels, students or rates. It may
    add sources that serve as controls, a target class, exhibits and notes.
    """

    kind: ClassVar[str]
    title: ClassVar[str]
    reference: ClassVar[str]
    stored_images: ClassVar[int | None] = None  # how many attacked images the evidence contains; None: all
    rebuild: ClassVar[str]  # how to recreate the attacked images that the evidence does not contain

    @abstractmethod
    def variants(self) -> tuple[Variant, ...]:
        """Return the attacks to run, exactly one of them the headline."""

    @abstractmethod
    def threat_model(self) -> tuple[str, ...]:
        """Return what the attacker knows, can do and wants: one sentence each."""

    def sources(self, teacher: Model, unrelated: Model | None) -> tuple[Source, ...]:
        """Return the sources of attacked images: "teacher" first, then the controls."""
        return (Source(TEACHER),)

    def target(self, classes: tuple[str, ...]) -> int | None:
        """Return the index of the attack's target class; None if it has none or the task does not have the class."""
        return None

    def exhibits(self, audit_set: AuditSet) -> Mapping[str, Tensor]:
        """Return further tensors for the evidence."""
        return {}

    def notes(self, bench: Bench, sources: tuple[Source, ...]) -> tuple[str, ...]:
        """Return what a reader needs to know to interpret the rates."""
        return ()

    @final
    def measure(
        self,
        subjects: Sequence[AuditedModel],
        audit_set: AuditSet,
        *,
        teacher: Model,
        evidence_folder: Path,
        seed: int,
        unrelated: Model | None = None,
        batch_size: int = 64,
        device: torch.device | None = None,
        scratch: Path | None = None,
        name: str | None = None,
        reporter: Reporter | None = None,
    ) -> DefectReport:
        """Attack the audit set and count each model's mistakes.

        Every attacked image is on the 8-bit grid and is, like the clean one, classified by the given models, which are
        loaded from their saved files: an attack's own estimate of its success is ignored.

        Args:
            subjects: the models to evaluate; the reduction compares "student" with "finetune".
            audit_set: the test images.
            teacher: the network that the attacker knows; also evaluated if its classes are the task's.
            evidence_folder: receives one safetensors file per variant.
            seed: seeds random starts, noise and bootstrap.
            unrelated: a network that shares no weights with the teacher, for the control of that name.
            batch_size: images at a time. Does not affect random draws; kernels may round differently at another size.
            device: where models run; default: the CPU. Models are restored afterwards.
            scratch: stores attacked batches, so that a killed audit resumes; default: nothing is stored.
            name: the report's name and the prefix of the evidence files; default: the kind. If a recipe has several of
                a kind, the kind and a number (`backdoor-2`), which is also added to the title.
            reporter: receives the progress.

        Raises:
            DataError: the defect's target is not one of the task's classes.
            ModelError: a model's classes are not the task's, or it has no penultimate features.
        """
        bench = Bench(
            judged(tuple(subjects), teacher, audit_set.classes),
            audit_set,
            batch_size=batch_size,
            device=device or torch.device("cpu"),
            seed=seed,
            checkpoints=Checkpoints(scratch),
        )
        name = name or self.kind
        number = name.removeprefix(self.kind).removeprefix("-")  # if there are several of a kind
        title = f"{self.title} ({number})" if number else self.title
        target = self.target(audit_set.classes)
        sources = self.sources(teacher, unrelated)
        clean = bench.predictions(audit_set.pixels)
        variants = self.variants()
        reported = []
        for variant in variants:
            total = len(audit_set) * len(sources)
            with (reporter or Silent()).track(f"{title}: {variant.title}", total, "images") as bar:
                evidence = self._attack(variant, sources, bench, clean, target, bar)
            file = f"{name}-{variant.name}.safetensors"
            evidence.save(evidence_folder / file)
            reported.append(_report(variant, evidence, file))
        return DefectReport(
            kind=self.kind,
            name=name,
            title=title,
            reference=self.reference,
            threat_model=self.threat_model(),
            samples=len(audit_set),
            notes=(*_general_notes(bench, clean), *self.notes(bench, sources)),
            variants=tuple(reported),
        )

    def _attack(
        self,
        variant: Variant,
        sources: tuple[Source, ...],
        bench: Bench,
        clean: Mapping[str, np.ndarray],
        target: int | None,
        bar: Bar,
    ) -> Evidence:
        digests: dict[str, str] = {}
        attacked: dict[str, Mapping[str, np.ndarray]] = {}
        kept: Tensor | None = None
        for source in sources:
            pixels = bench.attacked(variant, source, bar)
            digests[source.name] = sha256(tensor_bytes(pixels)).hexdigest()
            attacked[source.name] = bench.predictions(pixels)
            if source.name == TEACHER:
                kept = pixels[: self.stored_images]
        if kept is None:
            raise HubsliceError(f"{self.kind} has no source {TEACHER!r}")
        about: dict[str, Any] = {
            "kind": self.kind,
            "variant": variant.name,
            "settings": dict(variant.settings),
            "seed": bench.seed,
            "classes": list(bench.audit_set.classes),
            "target": target,
            "pictures_sha256": digests,
            "rebuild": self.rebuild,
        }
        return Evidence(
            about=about,
            indices=np.asarray(bench.audit_set.indices.cpu().numpy()),
            truth=bench.audit_set.truth,
            clean=clean,
            attacked=attacked,
            images=kept,
            exhibits=self.exhibits(bench.audit_set),
        )


def _report(variant: Variant, evidence: Evidence, file: str) -> DefectVariant:
    return DefectVariant(
        name=variant.name,
        title=variant.title,
        headline=variant.headline,
        objective=variant.objective,
        budget=variant.budget,
        rows=evidence.rows(),
        reduction=evidence.reduction(),
        evidence=file,
    )


def _general_notes(bench: Bench, clean: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    notes = []
    for arm, found in clean.items():
        correct = int((found == bench.audit_set.truth).sum())
        if correct < LEAST_CORRECT:
            notes.append(
                f"{arm}: fewer than {LEAST_CORRECT} clean-correct images ({correct} of {len(bench.audit_set)}): "
                "treat as indicative."
            )
    if TEACHER not in clean:
        notes.append("The teacher's classes are not the task's, so it is attacked but not judged itself.")
    if not {STUDENT, BASELINE} <= clean.keys():
        notes.append(f"No reduction is given: it compares {STUDENT} with {BASELINE}, and one of them is missing.")
    return tuple(notes)
