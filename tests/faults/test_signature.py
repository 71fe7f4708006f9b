"""Signed students: pushed, checked, changed, signed by somebody else; and what is told without the extra."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubslice.artefacts.lock import LOCK
from hubslice.files.names import SIGNATURE
from hubslice.hub.signature import TrustedKey, differences, installed, read_signature
from tests.fake_hub import HubServer
from tests.faults.conftest import Refused
from tests.faults.hub_setup import REPO, hub, impatient, never_seen, teacher
from tests.faults.test_delta_push import run_of
from tests.run.quick import quick_run
from tests.terminal.conftest import Hubslice

pytestmark = pytest.mark.slow
needs_extra = pytest.mark.skipif(not installed(), reason='needs the extra: pip install "hubslice[signing]"')

__all__ = ["hub", "impatient", "never_seen", "teacher"]


def make_key(path: Path, password: str | None = None) -> Path:
    """A private key; its public one lies beside it, with `.pub` behind its name."""
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    closed = s.BestAvailableEncryption(password.encode()) if password else s.NoEncryption()
    path.write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, closed))
    public = key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)
    path.with_suffix(".pub").write_bytes(public)
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return make_key(tmp_path / "key.pem")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    shutil.copytree(quick_run().parent, tmp_path / "job")
    return tmp_path / "job" / "run"


def told(hubslice: Hubslice, target: str | Path, *options: str, code: int = 0) -> dict[str, tuple[str, str]]:
    """State and detail by claim."""
    done = hubslice("verify", str(target), "--sample", "2", "--json", *options)
    assert done.code == code, done.stderr
    findings = json.loads(done.stdout)["findings"]
    return {each["name"]: (each["state"], each["detail"]) for each in findings}


def fetched(hub: HubServer, folder: Path) -> Path:
    """The repository as somebody has it who downloaded it."""
    for name, content in hub.files(REPO).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@needs_extra
def test_a_signed_student_is_checked(run: Path, key: Path, tmp_path: Path, hub: HubServer, hubslice: Hubslice) -> None:
    done = hubslice("push", str(run), REPO, "--sign-key", str(key), "--dry-run", "--json")
    assert done.code == 0, done.stderr
    assert SIGNATURE in {each["path"] for each in json.loads(done.stdout)["files"]}
    assert hub.store.find("models", REPO) is None
    assert hubslice("push", str(run), REPO, "--sign-key", str(key)).code == 0
    assert not (run / "student" / SIGNATURE).exists()
    state, detail = told(hubslice, REPO, "--key", str(key.with_suffix(".pub")))[SIGNATURE]
    files = hub.files(REPO).keys() - {"README.md", SIGNATURE, ".gitattributes"}
    assert state == "agrees"
    assert detail.startswith("signed by the key with SHA-256 ")
    assert detail.endswith(f", agrees: {len(files)} files")
    found = told(hubslice, REPO)
    assert found["README.md"][0] == "agrees"
    assert found[SIGNATURE][0] == "not checked"
    assert "to check it: --key PUBLIC.pem" in found[SIGNATURE][1]
    # Once more: nothing has changed, and that a signature is another each time it is made is no change.
    again = hubslice("push", str(run), REPO, "--sign-key", str(key), "--json")
    assert json.loads(again.stdout)["pushed"] is False
    # The signers' own command, as the card gives it.
    folder = fetched(hub, tmp_path / "student")
    card = (folder / "README.md").read_text()
    (command,) = [line for line in card.splitlines() if line.startswith("model_signing verify key student ")]
    arguments = command.replace("PUBLIC.pem", str(key.with_suffix(".pub"))).split()[1:]
    subprocess.run([sys.executable, "-m", "model_signing", *arguments], cwd=tmp_path, check=True, capture_output=True)


def flip(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")


CHANGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "weights": (lambda folder: flip(folder / "model.safetensors"), "model.safetensors is not as it was signed"),
    "lock": (lambda folder: flip(folder / LOCK), f"{LOCK} is not as it was signed"),
    "a plot less": (lambda folder: (folder / "plots" / "retention.png").unlink(), "and it is missing"),
    "code": (lambda folder: (folder / "modeling.py").write_text("1"), "does not cover modeling.py, which loaders"),
    "the signature": (lambda folder: flip(folder / SIGNATURE), "not a signature in the OMS format"),
}


@needs_extra
@pytest.mark.parametrize("name", CHANGES)
def test_what_was_changed_after_it_was_signed(
    name: str, run: Path, key: Path, tmp_path: Path, hub: HubServer, hubslice: Hubslice
) -> None:
    assert hubslice("push", str(run), REPO, "--sign-key", str(key)).code == 0
    folder = fetched(hub, tmp_path / "student")
    with (folder / "README.md").open("a") as card:
        card.write("\n## A note\nMind the gap.\n")
    public = str(key.with_suffix(".pub"))
    assert told(hubslice, folder, "--key", public)[SIGNATURE][0] == "agrees"
    change, says = CHANGES[name]
    change(folder)
    found = told(hubslice, folder, "--key", public, code=1)
    assert any(state == "differs" and says in detail for state, detail in found.values()), found


@needs_extra
def test_a_signature_over_shards_of_files(tmp_path: Path, key: Path) -> None:
    """As others sign large models."""
    from model_signing import hashing, signing

    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("a.bin", "b.bin"):
        (folder / name).write_bytes(bytes(range(200)))
    shards = hashing.Config().use_shard_serialization(hashing_algorithm="sha256", shard_size=64)
    config = signing.Config().use_elliptic_key_signer(private_key=key).set_hashing_config(shards)
    config.sign(folder, folder / SIGNATURE)
    trusted = TrustedKey(key.with_suffix(".pub"))
    (folder / "note.txt").write_text("not signed")
    assert read_signature(folder / SIGNATURE).names == {"a.bin", "b.bin"}
    assert differences(folder, folder / SIGNATURE, trusted) == []
    (folder / "b.bin").write_bytes(bytes(reversed(range(200))))
    assert differences(folder, folder / SIGNATURE, trusted) == ["b.bin is not as it was signed"]


@needs_extra
def test_another_key_or_none(run: Path, key: Path, tmp_path: Path, hub: HubServer, hubslice: Hubslice) -> None:
    assert hubslice("push", str(run), REPO, "--sign-key", str(key)).code == 0
    other = make_key(tmp_path / "other.pem").with_suffix(".pub")
    state, detail = told(hubslice, REPO, "--key", str(other), code=1)[SIGNATURE]
    assert state == "differs"
    assert "does not agree: Key mismatch" in detail
    # A forger names the trusted key and signs with another.
    folder = fetched(hub, tmp_path / "student")
    bundle = json.loads((folder / SIGNATURE).read_bytes())
    import hashlib

    bundle["verificationMaterial"]["publicKey"]["hint"] = hashlib.sha256(other.read_bytes()).hexdigest()
    (folder / SIGNATURE).write_text(json.dumps(bundle))
    assert told(hubslice, folder, "--key", str(other), code=1)[SIGNATURE][0] == "differs"
    (folder / SIGNATURE).unlink()
    assert told(hubslice, folder, "--key", str(other), code=1)[SIGNATURE] == ("differs", "not signed")


@needs_extra
def test_a_signature_goes_with_the_files_it_is_of(run: Path, key: Path, hub: HubServer, hubslice: Hubslice) -> None:
    assert hubslice("push", str(run), REPO, "--sign-key", str(key)).code == 0
    hub.seed(REPO, {"evidence/left.json": b"{}"})
    done = hubslice("push", str(run), REPO)
    assert done.code == 0
    assert "model.sig on the Hub is of other files and is deleted" in done.stderr
    assert SIGNATURE not in hub.files(REPO)


@needs_extra
def test_a_difference_is_signed_as_it_is_published(
    key: Path, tmp_path: Path, hub: HubServer, hubslice: Hubslice
) -> None:
    run = run_of(tmp_path, hub, "")
    done = hubslice("push", str(run), REPO, "--delta", "--sign-key", str(key))
    assert done.code == 0, done.stderr
    found = told(hubslice, REPO, "--key", str(key.with_suffix(".pub")), code=1)  # the lock was bent, see `run_of`
    assert found[SIGNATURE][0] == "agrees"
    assert found["README.md"][0] == "agrees"


@needs_extra
def test_keys_that_do_not_sign(
    run: Path, tmp_path: Path, hub: HubServer, hubslice: Hubslice, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = make_key(tmp_path / "secret.pem", "open sesame")
    (tmp_path / "none.pem").write_text("none")
    says = ("is not a private key that signs", "openssl ecparam", "HUBSLICE_KEY_PASSWORD")
    for name in ("none.pem", "secret.pem", "secret.pub"):
        refused("push", str(run), REPO, "--sign-key", str(tmp_path / name), code=2, says=(name, *says))
    monkeypatch.setenv("HUBSLICE_KEY_PASSWORD", "open sesame")
    done = hubslice("push", str(run), REPO, "--sign-key", str(secret))
    assert done.code == 0, done.stderr
    assert "sesame" not in done.stdout + done.stderr
    refused("verify", REPO, "--key", str(tmp_path / "none.pem"), code=2, says=("is not a public key", "-pubout"))


@needs_extra
def test_nobody_to_sign_for(run: Path, hub: HubServer, refused: Refused) -> None:
    says = ("there is no identity to sign with", "--sign-key KEY.pem")
    refused("push", str(run), REPO, "--sign", code=2, says=says)
    assert hub.store.find("models", REPO) is None


def test_options_that_do_not_go_together(run: Path, tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "key.pem").write_text("")
    key = str(tmp_path / "key.pem")
    refused("push", str(run), REPO, "--sign", "--sign-key", key, code=2, says=("--sign-key or --sign, not both",))
    refused("verify", str(run), "--identity", "me", code=2, says=("only together with its provider",))
    more = ("--identity", "me", "--identity-provider", "https://x")
    refused("verify", str(run), "--key", key, *more, code=2, says=("not of both",))


def test_without_the_extra(
    run: Path, tmp_path: Path, refused: Refused, hubslice: Hubslice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubslice.hub.signature.installed", lambda: False)
    monkeypatch.setattr("hubslice.verbs.verify.signature.installed", lambda: False)
    (tmp_path / "key.pem").write_text("")
    says = ("needs the package model-signing, which is not installed", 'pip install "hubslice[signing]"')
    refused("push", str(run), REPO, "--sign-key", str(tmp_path / "key.pem"), code=2, says=says)
    refused("verify", str(run), "--key", str(tmp_path / "key.pem"), code=2, says=says)
    folder = shutil.copytree(run / "student", tmp_path / "student")
    assert told(hubslice, folder)[SIGNATURE] == ("not checked", "not signed")
    (folder / SIGNATURE).write_text(json.dumps(BUNDLE))
    state, detail = told(hubslice, folder)[SIGNATURE]
    assert state == "not checked"
    assert detail == 'signed by the key with SHA-256 ab; cannot check: pip install "hubslice[signing]"'


STATEMENT = (  # {"predicateType": ".../v1.0", "predicate": {"resources": [], "serialization": {}}}
    "eyJwcmVkaWNhdGVUeXBlIjogImh0dHBzOi8vbW9kZWxfc2lnbmluZy9zaWduYXR1cmUvdjEuMCIsICJwcmVkaWNhdGUiOiB7InJlc291cmNlcyI6"
    "IFtdLCAic2VyaWFsaXphdGlvbiI6IHt9fX0="
)
BUNDLE = {"verificationMaterial": {"publicKey": {"hint": "ab"}}, "dsseEnvelope": {"payload": STATEMENT}}
