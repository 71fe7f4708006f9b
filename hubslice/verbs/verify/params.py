"""Parameters of `verify`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Annotated

from hubslice.core.parameters import Argument, Option, Params
from hubslice.core.paths import AnyPath
from hubslice.core.shared_parameters import Device


@dataclass(frozen=True)
class VerifyParams(Params):
    """The student to check, and how thoroughly."""

    target: Annotated[
        AnyPath, Argument("A run, owner/name[@revision] of a published student, or its folder.", "TARGET")
    ]
    _: KW_ONLY
    sample: Annotated[int, Option("Images of each kind to predict again with the student.", "N", min=1)] = 64
    full: Annotated[bool, Option("All images, every arm of a run, and the teacher's weights fetched and hashed.")] = (
        False
    )
    data: Annotated[
        AnyPath | None,
        Option("A copy of the data, to predict clean images again, too.", "PATH", exists=True),
    ] = None
    key: Annotated[
        AnyPath | None,
        Option("The key that the files must be signed with.", "PUBLIC.pem", exists=True),
    ] = None
    identity: Annotated[
        str | None, Option("The identity that must have signed the files, through Sigstore.", "WHO")
    ] = None
    identity_provider: Annotated[
        str | None, Option("The identity provider that must have confirmed the signer.", "URL")
    ] = None
    device: Device = "auto"
