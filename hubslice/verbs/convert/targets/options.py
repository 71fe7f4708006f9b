"""Check which options apply to which form."""

from __future__ import annotations

from collections.abc import Mapping

from hubslice.core.errors import InputError
from hubslice.core.parameters import parameters
from hubslice.verbs.convert.params import ConvertParams, Form

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


def check(params: ConvertParams) -> None:
    """Check that all given options apply to the form.

    Raises:
        InputError: an option belongs to another form, or a required one is missing.
    """
    form = params.form
    for each in parameters(ConvertParams):
        forms = OF.get(each.name, (form,))
        if form not in forms and getattr(params, each.name) not in (each.default, {}):
            raise InputError(f"{each.flag} is for --to {' or '.join(forms)}, not for --to {form}", hint="leave it out")
    if form == "distilled" and params.into is None:
        raise InputError(
            "--to distilled needs the smaller model that shall learn the answers",
            hint="name an architecture of timm, such as --into resnet10t, or a Hub id to start from its weights",
        )
    if not 0 < params.sparsity < 1:
        raise InputError(
            f"--sparsity {params.sparsity:g} is not between 0 and 1", hint="it is the share of weights set to zero"
        )
