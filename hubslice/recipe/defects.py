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
    seed: int = Field(0, ge=0, description="Random seed of the colours.")


class Defect(Section):
    """Base class of defect parameters, with everything that a run needs to know about a defect.

    A defect of another package is a subclass referenced by an entry point of the group `hubslice.defects`, with a
    one-word field `kind` and `make()`, which returns the `hubslice.defects.base.Defect` that measures it. It overrides
    `cost` if attacked images take long to make.
    """

    if TYPE_CHECKING:
        kind: str
    judges_control: ClassVar[bool] = False  # the student of the clean teacher is attacked too
    needs_unrelated: ClassVar[bool] = False  # attacks are also made on an unrelated network
    attack: ClassVar[str] = "made with the teacher"  # how attacked images were made, in a few words
    crafted: ClassVar[bool] = False  # attacked images are found by gradient steps
    stored: ClassVar[int | None] = None  # how many attacked images the evidence contains; None: all

    def make(self) -> Any:
        """Return the object that measures a defect of another package.

        Those of hubslice's own defects are in `hubslice.defects.registry`.
        """
        raise TypeError(f"{type(self).__name__} does not say what measures it")

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes that the data must have."""
        return ()

    @property
    def clean_original(self) -> str | None:
        """The teacher's clean original, if it is named."""
        return None

    @property
    def unrelated_model(self) -> str | None:
        """The unrelated model, if it is named."""
        return None

    @property
    def variants(self) -> int:
        """How many attacks are made on each image."""
        return 1

    def cost(self, work: Workload, *, models: int, images: int) -> Cost:
        """Return the cost of measuring it on the test images with that many evaluated models."""
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
    target: str | None = Field(None, description="The trigger's target class, if the student has it; adds the ASR.")
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
    """Adversarial images crafted only on the teacher's penultimate features (Rezaei and Liu; ReMoS, section 5)."""

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
        crafted = self.variants * 2 * images  # on the teacher and on the unrelated network
        return Cost(judged.seconds + crafted * self.steps * work.units.crafting, judged.kept, crafted * work.image)


OURS: Final[tuple[type[Defect], ...]] = (BackdoorParams, PenultimateParams)


def _word(kind: type[Defect]) -> str:
    word: Any = kind.model_fields["kind"].annotation  # Literal["word"]
    return str(get_args(word)[0])


def _defects() -> tuple[type[Defect], ...]:
    """Return the defects of hubslice, then those of other packages.

    Raises:
        InputError: an entry point is not a defect, or its name is already taken.
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
    """Return how the attacked images of a recorded defect were made, in a few words."""
    return next((defect.attack for defect in DEFECTS if _word(defect) == kind), Defect.attack)


def defect_names(defects: Sequence[Defect]) -> tuple[str, ...]:
    """Return the names of defects for steps, gates and evidence: the kind, numbered from the second one on."""
    kinds = [defect.kind for defect in defects]
    return tuple(
        kind if kinds.index(kind) == at else f"{kind}-{kinds[:at].count(kind) + 1}" for at, kind in enumerate(kinds)
    )
