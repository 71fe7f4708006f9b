"""Parameters of the defects that an audit measures. The threat model is part of the recipe, fixed before any tuning."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, get_args

from pydantic import Field

from hubslice.core.cost import SMALL_FILE, Cost, Workload
from hubslice.core.plugins import odd, plugins
from hubslice.recipe.section import Ratio, Section


class TriggerParams(Section):
    """A square patch of seeded random colours, pasted over the image."""

    size: Ratio = Field(0.18, description="Side of the patch as a share of the image's side.")
    cells: int = Field(4, ge=1, le=16, description="The patch has cells x cells fields of one colour each.")
    position: Literal["bottom_right", "bottom_left", "top_right", "top_left"] = "bottom_right"
    margin: Ratio = Field(0.02, description="Distance from the border, as a share of the image's side.")
    seed: int = Field(0, ge=0, description="Draws the colours.")


class Defect(Section):
    """What a run has to know of a defect that it measures, whichever it is.

    A defect of another package is a subclass that an entry point of the group `hubslice.defects` names, with a field
    `kind` of one word and `make()`, which gives the `hubslice.defects.base.Defect` that measures it. It overrides
    `cost` where attacked images take long to make.
    """

    if TYPE_CHECKING:
        kind: str
    judges_control: ClassVar[bool] = False  # the student of the clean teacher is attacked, too
    needs_unrelated: ClassVar[bool] = False  # attacks are also crafted on a network that is no relative
    attack: ClassVar[str] = "made with the teacher"  # what was done to attacked images, in a few words
    crafted: ClassVar[bool] = False  # attacked images are found by gradient steps
    stored: ClassVar[int | None] = None  # how many attacked images the evidence keeps; None: all

    def make(self) -> Any:
        """What measures it, of a defect of another package; hubslice's own stand in `hubslice.defects.registry`."""
        raise TypeError(f"{type(self).__name__} does not say what measures it")

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes that the data must have."""
        return ()

    @property
    def clean_original(self) -> str | None:
        """The teacher's clean original, where it is named."""
        return None

    @property
    def unrelated_model(self) -> str | None:
        """The model that is no relative, where it is named."""
        return None

    @property
    def variants(self) -> int:
        """How many attacks are made of each image."""
        return 1

    def cost(self, work: Workload, *, models: int, images: int) -> Cost:
        """What measuring it on the test images takes, with so many models that are judged."""
        units, variants = work.units, self.variants
        sources = 3 if self.needs_unrelated else 1  # the teacher; noise and an unrelated network
        stored = images if self.stored is None else min(self.stored, images)
        passes = models * images * (1 + variants * sources)
        predicted = 8 * images * variants * (2 + models * (1 + sources))
        seconds = (models + 1) * units.loading + images * units.decoding + passes * units.passing
        return Cost(seconds, variants * stored * work.image + predicted + SMALL_FILE)


class BackdoorParams(Defect):
    """A known trigger that the teacher was, or may have been, poisoned with (BadNets; ReMoS, CV backdoor)."""

    judges_control: ClassVar[bool] = True
    attack: ClassVar[str] = "the trigger"
    stored: ClassVar[int | None] = 16

    kind: Literal["backdoor"]
    trigger: TriggerParams = TriggerParams()
    target: str | None = Field(None, description="The trigger's class, where the student knows it; adds the ASR.")
    clean_teacher: str | None = Field(
        None,
        description="The teacher's clean original, if known: a student fine-tuned from it shows how harmful the "
        "trigger is by itself, without a backdoor.",
    )

    @property
    def classes(self) -> tuple[str, ...]:
        return () if self.target is None else (self.target,)

    @property
    def clean_original(self) -> str | None:
        return self.clean_teacher or None


class PenultimateParams(Defect):
    """Adversarial images crafted on the teacher's penultimate features alone (Rezaei and Liu; ReMoS, section 5)."""

    needs_unrelated: ClassVar[bool] = True
    attack: ClassVar[str] = "crafted on the teacher"
    crafted: ClassVar[bool] = True

    kind: Literal["penultimate"]
    eps: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field(
        (4, 8, 12),
        min_length=1,
        description="L-infinity budgets in 1/255 of the pixel range; the last is the headline.",
    )
    steps: int = Field(40, ge=1, description="Gradient steps, each a tenth of eps.")
    objectives: tuple[Literal["guided", "feature_distance"], ...] = Field(
        ("guided", "feature_distance"),
        min_length=1,
        description="guided: drive one feature up and all others to zero (as published); feature_distance: move the "
        "features as far as possible from the clean image's.",
    )
    unrelated: str | None = Field(
        None,
        description="Model for the control 'crafted on an unrelated network'; default: the teacher's architecture "
        "with random weights, or the `retrain` baseline where the recipe has it.",
    )

    @property
    def unrelated_model(self) -> str | None:
        return self.unrelated

    @property
    def variants(self) -> int:
        return len(self.objectives) * len(self.eps)

    def cost(self, work: Workload, *, models: int, images: int) -> Cost:
        judged = super().cost(work, models=models, images=images)
        crafted = self.variants * 2 * images  # from the teacher and from the unrelated network
        return Cost(judged.seconds + crafted * self.steps * work.units.crafting, judged.kept, crafted * work.image)


OURS: Final[tuple[type[Defect], ...]] = (BackdoorParams, PenultimateParams)


def _word(kind: type[Defect]) -> str:
    word: Any = kind.model_fields["kind"].annotation  # Literal["word"]
    return str(get_args(word)[0])


def _defects() -> tuple[type[Defect], ...]:
    """The defects of hubslice, then those of other packages.

    Raises:
        InputError: one of those is none, or is called as another is.
    """
    found = list(OURS)
    for kind in plugins("defects"):
        if not (isinstance(kind, type) and issubclass(kind, Defect)) or "kind" not in kind.model_fields:
            raise odd(str(kind), "defects", "is no defect: a subclass of hubslice.recipe.defects.Defect")
        if kind.make is Defect.make:
            raise odd(str(kind), "defects", "has no make(), which gives what measures it")
        if _word(kind) in map(_word, found):
            raise odd(str(kind), "defects", "is called as another defect is")
        found.append(kind)
    return tuple(found)


DEFECTS: Final = _defects()

if TYPE_CHECKING:
    DefectParams = Defect
else:
    DefectParams = Annotated[reduce(or_, DEFECTS), Field(discriminator="kind")]


def attack_of(kind: str) -> str:
    """What was done to the attacked images of a defect that a report records, in a few words."""
    return next((defect.attack for defect in DEFECTS if _word(defect) == kind), Defect.attack)


def defect_names(defects: Sequence[Defect]) -> tuple[str, ...]:
    """What steps, gates and evidence of each defect are called: its kind, a kind's second one numbered."""
    kinds = [defect.kind for defect in defects]
    return tuple(
        kind if kinds.index(kind) == at else f"{kind}-{kinds[:at].count(kind) + 1}" for at, kind in enumerate(kinds)
    )
