"""Signatures of published models in the OMS format (OpenSSF Model Signing): `model.sig`, a signed manifest of files.

The package model-signing makes and checks them; it is an extra. What a signature says of itself is read without it.

https://github.com/ossf/model-signing-spec
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hubslice.core.artefact import read_description
from hubslice.core.errors import InputError, RunError, VerificationError
from hubslice.core.escaping import line, named
from hubslice.files.names import CARD, RESULTS, SIGNATURE
from hubslice.hub.formats import check_path

UNSIGNED: Final = frozenset({CARD, RESULTS, SIGNATURE, ".gitattributes"})  # rendered by a push; the Hub's own
INSTALL: Final = 'pip install "hubslice[signing]"'
PASSWORD: Final = "HUBSLICE_KEY_PASSWORD"
_STATEMENT = "https://model_signing/signature/v1.0"


@dataclass(frozen=True)
class Signed:
    """What a signature says of itself, which nobody has checked: its signer, the files it covers, how they are hashed.

    `key` is the SHA-256 of the public key (its PEM text) that it is to be checked with; None: signed by an identity,
    with a certificate. `digests` are hexadecimal, by file, or by part of a file where it was hashed in shards.
    """

    key: str | None
    names: frozenset[str]
    hashing: Mapping[str, Any]
    digests: Mapping[str, str]

    @property
    def signer(self) -> str:
        """In words."""
        return "an identity, through Sigstore" if self.key is None else f"the key with SHA-256 {self.key}"


@dataclass(frozen=True)
class SigningKey:
    """A private key (elliptic curve, PEM) that signs; `password` where it is encrypted."""

    path: Path
    password: str | None = None


@dataclass(frozen=True)
class SigningIdentity:
    """Whoever is logged in at an identity provider: that of the CI job, else in a browser if `interactive`."""

    interactive: bool


@dataclass(frozen=True)
class TrustedKey:
    """A public key (PEM) that a signature must be of."""

    path: Path


@dataclass(frozen=True)
class TrustedIdentity:
    """Who must have signed, such as an e-mail address, and the identity provider that must have said so (its URL)."""

    name: str
    provider: str


def trusted_signer(key: Path | None, identity: str | None, provider: str | None) -> TrustedKey | TrustedIdentity | None:
    """Who must have signed, of what a user gave; None: nothing was given.

    Raises:
        InputError: these do not go together.
    """
    if key is not None and (identity or provider):
        raise InputError(
            "a signature is of a key or of an identity, not of both", hint="give --key, or --identity and its provider"
        )
    if (identity is None) != (provider is None):
        raise InputError(
            "an identity is worth something only together with its provider",
            hint="give both --identity WHO and --identity-provider URL, such as https://github.com/login/oauth",
        )
    if identity is not None and provider is not None:
        return TrustedIdentity(identity, provider)
    return None if key is None else TrustedKey(key)


def given_signer(key: Path | None, *, identity: bool, interactive: bool) -> SigningKey | SigningIdentity | None:
    """Who signs, of what a user gave; None: nobody. The password of an encrypted key comes from the environment.

    Raises:
        InputError: both were given.
    """
    if key is not None and identity:
        raise InputError("one signature is of a key or of an identity", hint="give --sign-key or --sign, not both")
    if key is not None:
        return SigningKey(key, os.environ.get(PASSWORD))
    return SigningIdentity(interactive) if identity else None


def installed() -> bool:
    """Whether signatures can be made and checked here."""
    from importlib.util import find_spec

    return "model_signing" in sys.modules or find_spec("model_signing") is not None


def require_installed(doing: str) -> None:
    """Raise unless signatures can be made and checked here.

    Raises:
        InputError: the extra is missing.
    """
    if not installed():
        raise InputError(f"{doing} needs the package model-signing, which is not installed", hint=INSTALL)


def read_signature(path: Path) -> Signed:
    """What a signature says of itself.

    Raises:
        VerificationError: it is damaged, or of another format.
    """
    try:
        bundle = json.loads(read_description(path))
        material = bundle["verificationMaterial"]
        statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"], validate=True))
        if statement["predicateType"] != _STATEMENT:
            raise ValueError(f"it is of the type {str(statement['predicateType'])[:80]!r}")
        predicate = statement["predicate"]
        digests = {str(each["name"]): str(each["digest"]) for each in predicate["resources"]}
        hashing = dict(predicate["serialization"])
        names = frozenset(_file_of(part, hashing) for part in digests)
        key = str(material["publicKey"]["hint"])[:128] if "publicKey" in material else None
    except (RunError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise VerificationError(
            f"{path.name} is not a signature in the OMS format: {line(error, 200)}",
            hint="fetch it again, or ask the publisher to push it again with --sign-key KEY.pem",
        ) from error
    for name in names:
        check_path(name, path.name)
    return Signed(key if key is None else line(key), names, hashing, digests)


def promised(signer: SigningKey | SigningIdentity) -> Signed:
    """What a signature of this signer will say, but for the files.

    Raises:
        InputError: the key cannot be read, or does not sign.
    """
    key = hashlib.sha256(_public(signer)).hexdigest() if isinstance(signer, SigningKey) else None
    return Signed(key, frozenset(), {}, {})


def sign(folder: Path, names: Iterable[str], signer: SigningKey | SigningIdentity) -> bytes:
    """The signature over these files of a folder.

    Raises:
        InputError: the key cannot be used, or there is no identity.
    """
    from model_signing import signing

    config = signing.Config().set_hashing_config(_over(folder, names))
    if isinstance(signer, SigningKey):
        _public(signer)
        password: Any = signer.password.encode() if signer.password else None  # bytes, whatever its annotation says
        config.use_elliptic_key_signer(private_key=signer.path, password=password)
    else:
        _check_identity(signer)
    with tempfile.TemporaryDirectory(prefix="hubslice-") as scratch:
        made = Path(scratch) / SIGNATURE
        try:
            if isinstance(signer, SigningIdentity):
                config.use_sigstore_signer(use_ambient_credentials=True)
            config.sign(folder, made)
        except Exception as error:  # the network, the login, Sigstore's own
            raise InputError(
                f"the model cannot be signed: {line(error, 300) or type(error).__name__}",
                hint="log in with the identity provider again, or sign with a key of your own: --sign-key KEY.pem",
            ) from error
        return made.read_bytes()


def differences(folder: Path, signature: Path, trusted: TrustedKey | TrustedIdentity) -> list[str]:
    """What does not agree: the signature with whom is trusted, or the files in `folder` with the signature.

    Files that it does not cover are not looked at.

    Raises:
        VerificationError: it is not a signature.
    """
    from model_signing import verifying

    said = read_signature(signature)
    if missing := sorted(name for name in said.names if not (folder / name).is_file()):
        return [f"{named(name)}: the signature covers it, and it is missing" for name in missing]
    config = verifying.Config().set_ignore_unsigned_files(True).set_hashing_config(_as_signed(folder, said))
    try:
        if isinstance(trusted, TrustedKey):
            config.use_elliptic_key_verifier(public_key=trusted.path)
        else:
            config.use_sigstore_verifier(identity=trusted.name, oidc_issuer=trusted.provider)
        config.verify(folder, signature)
    except Exception as error:  # whatever is wrong, it does not agree
        if changed := _changed(folder, said) if str(error).startswith("Signature mismatch") else []:
            return [f"{named(name)} is not as it was signed" for name in changed]
        return [line(error, 300) or "it was not made with this key, or was changed since"]
    return []


def check_trusted(trusted: TrustedKey | TrustedIdentity) -> None:
    """Make sure that signatures can be checked here, against this key or identity.

    Raises:
        InputError: the extra is missing, or it is not a public key.
    """
    require_installed("checking a signature")
    if isinstance(trusted, TrustedIdentity):
        return
    from model_signing import verifying

    try:
        verifying.Config().use_elliptic_key_verifier(public_key=trusted.path)
    except Exception as error:  # cryptography documents no closed set
        raise InputError(
            f"{trusted.path} is not a public key that signatures are checked with: {line(error, 200)}",
            hint="give the public half of an elliptic curve key: openssl ec -in KEY.pem -pubout -out PUBLIC.pem",
        ) from error


def same_signature(folder: Path, names: Iterable[str], signature: Path, key: SigningKey) -> bool:
    """Whether a signature that is there already is one by this key over just these files, as they are now."""
    try:
        if read_signature(signature).names != frozenset(names):
            return False
        with tempfile.TemporaryDirectory(prefix="hubslice-") as scratch:
            public = Path(scratch) / "public.pem"
            public.write_bytes(_public(key))
            return not differences(folder, signature, TrustedKey(public))
    except VerificationError:
        return False


def _public(key: SigningKey) -> bytes:
    """The public key as PEM."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    password = key.password.encode() if key.password else None
    try:
        private = serialization.load_pem_private_key(key.path.read_bytes(), password)
        if not isinstance(private, ec.EllipticCurvePrivateKey) or private.curve.name not in _CURVES:
            raise ValueError(f"it is none of the curves {', '.join(_CURVES)}")
    except (OSError, ValueError, TypeError) as error:
        encrypted = f"; if it is encrypted, put its password into {PASSWORD}"
        raise InputError(
            f"{key.path} is not a private key that signs: {line(error, 200)}",
            hint=f"make one: openssl ecparam -name prime256v1 -genkey -noout -out KEY.pem{encrypted}",
        ) from error
    return bytes(
        private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


_CURVES = ("secp256r1", "secp384r1", "secp521r1")


def _changed(folder: Path, said: Signed) -> list[str]:
    """The files whose digests are others than the signature's."""
    manifest = _as_signed(folder, said).hash(folder)
    held = {each.identifier: each.digest.digest_hex for each in manifest.resource_descriptors()}
    parts = said.digests.keys() | held.keys()
    return sorted({_file_of(part, said.hashing) for part in parts if said.digests.get(part) != held.get(part)})


def _file_of(part: str, hashing: Mapping[str, Any]) -> str:
    """The file of a digest's name; one of a shard has the shard's first and last byte behind it."""
    return part.rsplit(":", 2)[0] if hashing.get("method") == "shards" else part


def _as_signed(folder: Path, said: Signed) -> Any:
    """How the signature says that files were hashed; links are followed, as huggingface_hub's cache is made of them."""
    config, algorithm = _over(folder, said.names), said.hashing.get("hash_type", "sha256")
    try:
        if said.hashing.get("method") == "shards":
            config.use_shard_serialization(hashing_algorithm=algorithm, shard_size=int(said.hashing["shard_size"]))
        else:
            config.use_file_serialization(hashing_algorithm=algorithm)
    except (ValueError, KeyError, TypeError) as error:
        raise VerificationError(f"{SIGNATURE} hashes files in a way that is not known: {algorithm!r}") from error
    return config.set_allow_symlinks(True)


def _over(folder: Path, names: Iterable[str]) -> Any:
    """How just these files are hashed; the package takes all that are there, and calls shards by names of no files."""
    from model_signing import hashing

    chosen = [folder / name for name in sorted(names)]

    class Chosen(hashing.Config):
        def hash(self, model_path: Any, *, files_to_hash: Any = None) -> Any:
            return super().hash(model_path, files_to_hash=chosen)

    return Chosen()


def _check_identity(signer: SigningIdentity) -> None:
    from sigstore.oidc import detect_credential

    try:
        there = detect_credential()
    except Exception as error:  # of the provider's own
        raise InputError(
            f"the identity of this job cannot be had: {line(error, 200)}",
            hint="let the job ask for an identity token (GitHub Actions: permissions: id-token: write)",
        ) from error
    if there is None and not signer.interactive:
        raise InputError(
            "there is no identity to sign with, and nobody who could log in",
            hint="run it in a terminal or in a CI job with an identity token, or sign with a key: --sign-key KEY.pem",
        )
