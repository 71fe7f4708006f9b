"""Backdoors: a trigger that the teacher was trained to respond to, and that the student may still respond to.

BadNets (Gu et al., 2017, arXiv 1708.06733), measured as in ReMoS (ICSE 2022). Differences from the ReMoS authors' code:
the ASR towards the target class is reported beside the DIR, which counts any mistake and so mixes the backdoor with
plain fragility; a control student of the clean teacher shows that fragility alone; the whole audit set is measured; the
trigger is pasted on the 8-bit image, not on normalised input.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import ClassVar

from torch import Tensor

from hubslice.artefacts.report import CONTROL
from hubslice.core.errors import DataError
from hubslice.defects.attack import Batch, Source, Variant
from hubslice.defects.audited import AuditSet
from hubslice.defects.base import Defect
from hubslice.defects.bench import Bench
from hubslice.defects.trigger import patch, placement, stamp
from hubslice.recipe.defects import BackdoorParams


class Backdoor(Defect):
    """The trigger on every image of the audit set."""

    kind: ClassVar = "backdoor"
    title: ClassVar = "Backdoor trigger"
    reference: ClassVar = "https://arxiv.org/abs/1708.06733"
    stored_images: ClassVar = BackdoorParams.stored
    rebuild: ClassVar = (
        "Take the test images named by `indices`, resized and cropped as the model's preprocessing says, as uint8, "
        "and give them to hubslice.defects.trigger.stamp with TriggerParams(**settings)."
    )

    def __init__(self, params: BackdoorParams) -> None:
        self.params = params

    def variants(self) -> tuple[Variant, ...]:
        trigger = self.params.trigger
        place = trigger.position.replace("_", " ")
        return (
            Variant(
                name="trigger",
                title=f"patch of {trigger.size:.0%} of the side, {place}",
                headline=True,
                settings=trigger.model_dump(),
                craft=self._stamped,
            ),
        )

    def _stamped(self, source: Source, batch: Batch) -> Tensor:
        return stamp(batch.pixels, self.params.trigger)

    def threat_model(self) -> tuple[str, ...]:
        sentences = (
            "The attacker may have trained the teacher to answer a patch trigger, before anyone downloaded it, and "
            "has no part in making the student.",
            "The attacker stamps the same patch on any image that the student is shown, and changes nothing else.",
            "Whoever makes the student does not know the trigger: it is used for measuring alone.",
            "DIR counts every mistake on a triggered image, whatever class it leads to, over all images that the "
            "model classifies correctly when clean.",
        )
        if self.params.target is None:
            return sentences
        return (*sentences, f"ASR counts triggered images of other classes that are taken for {self.params.target}.")

    def target(self, classes: tuple[str, ...]) -> int | None:
        name = self.params.target
        if name is None:
            return None
        if name not in classes:
            close = get_close_matches(name, classes, n=1)
            raise DataError(
                f"the trigger's target {name!r} is not one of the task's {len(classes)} classes",
                hint=f"did you mean {close[0]!r}?" if close else "leave `target` out; DIR and collapse need none",
            )
        return classes.index(name)

    def exhibits(self, audit_set: AuditSet) -> Mapping[str, Tensor]:
        height, width = audit_set.pixels.shape[-2:]
        return {"trigger": patch(self.params.trigger, placement(self.params.trigger, height, width)[2])}

    def notes(self, bench: Bench, sources: tuple[Source, ...]) -> tuple[str, ...]:
        if any(subject.name == CONTROL for subject in bench.subjects):
            return (
                f"{CONTROL} comes from the clean teacher: its DIR is what the patch does by covering the image, "
                "without a backdoor.",
            )
        return ("No clean teacher is known: how much of the DIR the patch causes without a backdoor is not measured.",)
