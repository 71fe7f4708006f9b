"""What a form can be told, and which form takes what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal, get_args

from hubslice.core.errors import InputError

Form = Literal["compact", "onnx", "fp16", "int8", "pruned", "distilled"]
FORMS: tuple[Form, ...] = get_args(Form)
LEAST_AGREEMENT = 0.8
SAMPLES = 100
SPARSITY = 0.5
TRAINED: tuple[Form, ...] = ("pruned", "distilled")
OF: Mapping[str, tuple[Form, ...]] = {
    "dynamic": ("int8",),
    "samples": ("int8",),
    "data": ("int8", *TRAINED),
    "min_agreement": ("int8", *TRAINED),
    "sparsity": ("pruned",),
    "into": ("distilled",),
    "arguments": ("distilled",),
    "epochs": TRAINED,
    "lr": TRAINED,
    "seed": TRAINED,
}


@dataclass(frozen=True)
class FormOptions:
    """Options of all forms; see `hubslice.verbs.convert.function.convert`."""

    dynamic: bool = False
    data: str | None = None
    samples: int = SAMPLES
    min_agreement: float = LEAST_AGREEMENT
    sparsity: float = SPARSITY
    into: str | None = None
    arguments: Mapping[str, object] = field(default_factory=dict)
    epochs: int | None = None
    lr: float | None = None
    seed: int = 0
    device: str = "auto"

    def check(self, form: Form) -> None:
        """Nothing where all that is given has a meaning for the form.

        Raises:
            InputError: an option is another form's, or the one that the form needs is missing.
        """
        plain = FormOptions()
        for each in fields(self):
            name = each.name
            if name in OF and form not in OF[name] and getattr(self, name) != getattr(plain, name):
                raise InputError(
                    f"{_flag(name)} is for --to {' or '.join(OF[name])}, not for --to {form}", hint="leave it out"
                )
        if form == "distilled" and self.into is None:
            raise InputError(
                "--to distilled needs the smaller model that shall learn the answers",
                hint="name an architecture of timm, such as --into resnet10t, or a Hub id to start from its weights",
            )
        if not 0 < self.sparsity < 1:
            raise InputError(
                f"--sparsity {self.sparsity:g} is not between 0 and 1", hint="it is the share of weights set to zero"
            )


def _flag(name: str) -> str:
    return "--argument" if name == "arguments" else f"--{name.replace('_', '-')}"
