"""Check the signature of the published files."""

from __future__ import annotations

from collections.abc import Iterator

from hubslice.core.numbers import amount
from hubslice.files.names import DELTA, SIGNATURE, WEIGHTS
from hubslice.hub.loaded import loaded
from hubslice.hub.signature import (
    INSTALL,
    TrustedIdentity,
    TrustedKey,
    differences,
    installed,
    read_signature,
)
from hubslice.verbs.verify.claims import Place
from hubslice.verbs.verify.facts import Finding, compared, unchecked

PART = "signature"


def check_signature(place: Place, trusted: TrustedKey | TrustedIdentity | None) -> Iterator[Finding]:
    """Check that the files are those that were signed, by a trusted signer; a run is signed when it is pushed."""
    path = place.signature
    if path is None:
        if trusted is not None:
            yield compared(PART, SIGNATURE, ["not signed"], "")
        elif place.run is None:
            yield unchecked(PART, SIGNATURE, "not signed")
        return
    said = read_signature(path)
    if not installed():
        yield unchecked(PART, SIGNATURE, f"signed by {said.signer}; cannot check: {INSTALL}")
    elif trusted is None:
        option = (
            "--identity WHO --identity-provider URL" if said.key is None else "--key PUBLIC.pem, as the signer gives it"
        )
        yield unchecked(PART, SIGNATURE, f"signed by {said.signer}; to check it: {option}")
    else:
        who = f"{trusted.name} ({trusted.provider})" if isinstance(trusted, TrustedIdentity) else said.signer
        if place.lacking and any(not (path.parent / name).is_file() for name in said.names):
            yield unchecked(PART, SIGNATURE, f"signed by {said.signer}; {place.lacking}")
            return
        wrong = differences(path.parent, path, trusted)
        names = place.names if place.delta is None else place.names - {WEIGHTS} | {DELTA}
        wrong += [f"it does not cover {name}, which loaders read or run" for name in loaded(names - said.names)]
        told = [f"signed by {said.signer}, does not agree: {each}" for each in wrong]
        yield compared(PART, SIGNATURE, told, f"signed by {who}, agrees: {amount(len(said.names), 'file')}")
