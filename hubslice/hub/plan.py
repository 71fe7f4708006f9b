"""Plan a push without changing anything, so that `--dry-run` shows exactly what a push will do."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hubslice.artefacts.delta import DeltaFacts
from hubslice.core.errors import FetchError, InputError, PushError
from hubslice.files.names import CARD, DELTA, INDEX, REPORT, RESULTS, SHAPES, SIGNATURE
from hubslice.hub import card_metadata
from hubslice.hub.default import default_hub
from hubslice.hub.download import download
from hubslice.hub.hub import LOGIN, MAIN, Hub, Repository
from hubslice.hub.integrity import Digest, Expected, digest_of
from hubslice.hub.listing import Listing, look_up
from hubslice.hub.loaded import loaded
from hubslice.hub.locked import check_locked
from hubslice.hub.outgoing import Outgoing, check_secrets, collect, is_large
from hubslice.hub.ref import check_repo_id, check_revision
from hubslice.hub.refusals import no_repository, refused_as
from hubslice.hub.signature import UNSIGNED, SigningIdentity, SigningKey, same_signature, sign

_NAMED = 10  # files listed in a warning
_OURS = ("evidence/", "plots/")  # folders that every push of hubslice replaces
_WEIGHTS = re.compile(r"model(-\d+-of-\d+)?\.safetensors|" + "|".join(map(re.escape, (INDEX, SHAPES, DELTA))))

# Returns the new card, given the text of the one on the Hub (None if there is none).
Render = Callable[[str | None], bytes]


@dataclass(frozen=True)
class PlannedFile:
    """The planned change of one file. `lfs`: stored in LFS; for a new file predicted by the Hub's default rules."""

    path: str
    size: int
    change: Literal["new", "changed", "unchanged", "deleted"]
    lfs: bool
    digest: Digest | None = field(default=None, repr=False)  # None for deleted files


@dataclass(frozen=True)
class PushPlan:
    """A planned push on top of the commit `parent` (None: the repository has to be created).

    `delta` describes the difference to the teacher that replaces the weights, if there is one.
    """

    folder: Path
    repo_id: str
    revision: str | None
    private: bool
    create_pr: bool
    message: str
    parent: str | None
    files: tuple[PlannedFile, ...]
    card: bytes | None = field(repr=False)  # None: README.md of the folder is used
    warnings: tuple[str, ...]
    client: Hub = field(repr=False)
    delta: DeltaFacts | None = None
    signature: bytes | None = field(default=None, repr=False)  # None: model.sig of the folder is used, if it exists
    results: bytes | None = field(default=None, repr=False)  # the accuracy for a leaderboard

    @property
    def exists(self) -> bool:
        """Whether the repository already exists."""
        return self.parent is not None

    @property
    def changes(self) -> tuple[PlannedFile, ...]:
        """The files that the commit changes; empty if there is nothing to push."""
        return tuple(file for file in self.files if file.change != "unchanged")

    @property
    def url(self) -> str:
        """The page of the repository."""
        return f"{self.client.url}/{self.repo_id}"


def plan_push(
    folder: Path,
    repo_id: str,
    *,
    poisoned: bool,
    allow_poisoned: bool = False,
    private: bool = False,
    create_pr: bool = False,
    revision: str | None = None,
    render: Render | None = None,
    message: str = "Upload a student made by hubslice",
    client: Hub | None = None,
    signer: SigningKey | SigningIdentity | None = None,
    results: bytes | None = None,
) -> PushPlan:
    """Plan the commit that makes the repository match the files of `folder`; nothing on the Hub changes.

    `render` creates README.md from the one on the Hub, so that edits made there can be kept. Files of an older push
    under evidence/ and plots/, weights that are replaced, and a signature of other files are deleted. A `signer` signs
    all files except README.md and `results`, which is written to .eval_results/.

    Raises:
        InputError: the folder may not be pushed, contains a token, or the model is poisoned and that was not allowed or
            is not declared on the card.
        VerificationError: a file does not match the folder's lock, or a loader would read or run a file that is not in
            the lock.
        PushError: the Hub cannot be reached, this login may not write there, or the card would be refused.
    """
    client = client or default_hub()
    check_repo_id(repo_id)
    if revision is not None:
        check_revision(revision)
    if create_pr and revision not in (None, MAIN):
        raise InputError(f"a pull request is made to main, not to {revision}", hint="leave out --revision")
    outgoing = collect(folder)
    unlisted = check_locked(folder, outgoing.digests)
    poisoned = poisoned or outgoing.poisoned
    if poisoned and not allow_poisoned:
        raise InputError(
            f"the model in {folder} carries a backdoor that was planted on purpose; whoever uses it would be exposed",
            hint="if that is what you want to publish: --allow-poisoned",
        )
    if client.offline:
        raise PushError("cannot push: offline mode is on (HF_HUB_OFFLINE)", hint="unset HF_HUB_OFFLINE")
    remote = _look_up(repo_id, revision, create_pr, client)
    held = remote.files if remote else {}
    listing = Listing(repo_id, remote.commit, held) if remote else None
    card = render(_text(listing, CARD, client)) if render else None
    check_secrets(_contents(outgoing, card), client.login_token)
    digests = dict(outgoing.digests)
    if card is not None:
        digests[CARD] = digest_of(card)
    if results is not None:
        digests[RESULTS] = digest_of(results)
    signature = _sign(folder, outgoing, listing, signer, client) if signer else None
    if signature is not None:
        digests[SIGNATURE] = digest_of(signature)
    warnings = [*unlisted, *_check_card(_card_text(folder, card), poisoned, repo_id, client)]
    files = (*_changes(digests, held), *_deletions(digests, listing, client))
    if remote:
        if private and not remote.private:
            warnings.append(f"{repo_id} is public already; --private does not change that")
        if risky := loaded(held.keys() - {file.path for file in files}):
            warnings.append(_left_alone(repo_id, risky, revision))
        if card is None and CARD in digests and CARD in held:
            warnings.append("README.md on the Hub is replaced as a whole")
        if any(file.path == SIGNATURE and file.change == "deleted" for file in files):
            warnings.append(
                f"{SIGNATURE} on the Hub is of other files and is deleted; to sign these: --sign-key KEY.pem"
            )
    return PushPlan(
        folder=folder,
        repo_id=repo_id,
        revision=revision,
        private=private,
        create_pr=create_pr,
        message=message,
        parent=listing.commit if listing else None,
        files=files,
        card=card,
        warnings=tuple(warnings),
        client=client,
        signature=signature,
        results=results,
    )


def _sign(
    folder: Path, outgoing: Outgoing, listing: Listing | None, signer: SigningKey | SigningIdentity, client: Hub
) -> bytes:
    """Return a signature of the files; the one on the Hub if the same key signed the same files before."""
    names = outgoing.files.keys() - UNSIGNED
    if isinstance(signer, SigningKey) and listing is not None and SIGNATURE in listing.files:
        held, _ = download(listing, SIGNATURE, client)
        if same_signature(folder, names, held, signer):
            return held.read_bytes()
    return sign(folder, names, signer)


def _look_up(repo_id: str, revision: str | None, create_pr: bool, client: Hub) -> Repository | None:
    """Return the repository, which this login must be able to write; None if it has to be created."""
    doing = f"push to {repo_id}"
    if client.login_token is None:
        raise PushError(f"cannot {doing}: nobody is logged in", hint=LOGIN)
    try:
        found = look_up(repo_id, revision, client, PushError, doing)
    except PushError as error:
        if not no_repository(error.__cause__) or create_pr:
            raise
        _check_creator(repo_id, revision, client)
        return None
    if not create_pr:
        with refused_as(PushError, doing, repo_id=repo_id, client=client):
            client.check_write(repo_id)
    return found


def _check_creator(repo_id: str, revision: str | None, client: Hub) -> None:
    if revision not in (None, MAIN):
        raise PushError(
            f"cannot push to {repo_id}: there is no such repository, so it has no branch {revision}",
            hint="leave out --revision: the first push makes the repository and its branch main",
        )
    with refused_as(PushError, f"create {repo_id}", repo_id=repo_id, client=client):
        login = client.login()
    owner, _, name = repo_id.partition("/")
    if owner not in (login.name, *login.organisations):
        raise PushError(
            f"cannot create {repo_id}: this login is {login.name}, which does not own the namespace {owner}",
            hint=f"push to {login.name}/{name}, or log in as {owner}: hf auth login",
        )
    if login.reads_only:
        raise PushError(f"cannot create {repo_id}: the token of this login may only read", hint=LOGIN)


def _check_card(text: str | None, poisoned: bool, repo_id: str, client: Hub) -> list[str]:
    """Return the Hub's warnings about the card; raises if it is invalid or does not declare a planted backdoor."""
    if poisoned and not (text and card_metadata.read_card(text).poisoned):
        raise InputError(
            "the card of a poisoned model must say so",
            hint="put the tag `backdoored`, or `hubslice: {poisoned: true}`, into the head of README.md",
        )
    if text is None:
        return ["there is no README.md: the repository will have no model card"]
    with refused_as(PushError, "have the card checked", repo_id=repo_id, client=client):
        faults, said = client.check_card(text)
    if faults:
        raise PushError(
            "the Hub would refuse the head of README.md:",
            faults,
            hint="mend the card's part of the recipe, or the head that people wrote on the Hub",
        )
    return [f"README.md: {each}" for each in said]


def _left_alone(repo_id: str, risky: Sequence[str], revision: str | None) -> str:
    """Return the warning about files that a loader may prefer to the pushed model, or run; `verify` would fail."""
    branch = f" --revision {shlex.quote(revision)}" if revision else ""
    more = f" (and {len(risky) - _NAMED} more)" if len(risky) > _NAMED else ""
    return (
        f"{repo_id} also holds files that loaders read or run; this push leaves them alone. Unless they belong there, "
        f"delete them: hf repos delete-files {repo_id}{branch} {shlex.join(risky[:_NAMED])}{more}"
    )


def _changes(digests: Mapping[str, Digest], held: Mapping[str, Expected]) -> list[PlannedFile]:
    planned = []
    for path, digest in sorted(digests.items()):
        there = held.get(path)
        change: Literal["new", "changed", "unchanged"] = "new"
        if there is not None:
            change = "unchanged" if there.met_by(digest) else "changed"
        lfs = is_large(path, digest.size) if there is None else there.sha256 is not None
        planned.append(PlannedFile(path, digest.size, change, lfs, digest))
    return planned


def _deletions(digests: Mapping[str, Digest], listing: Listing | None, client: Hub) -> list[PlannedFile]:
    """Return the files to delete: those of an older push, and weights that a loader could prefer to the new ones."""
    if listing is None:
        return []
    new_weights = any(_WEIGHTS.fullmatch(path) for path in digests)
    stale = [path for path in listing.files if path not in digests and new_weights and _WEIGHTS.fullmatch(path)]
    left = [path for path in listing.files if path not in digests and path.startswith(_OURS)]
    left += [path for path in listing.files if path == RESULTS and path not in digests]
    if left and '"hubslice-report-' in (_text(listing, REPORT, client) or ""):
        stale += left
    changed = any(file.change != "unchanged" and file.path != CARD for file in _changes(digests, listing.files))
    if SIGNATURE in listing.files and SIGNATURE not in digests and (changed or stale):
        stale.append(SIGNATURE)
    return [
        PlannedFile(path, listing.files[path].size or 0, "deleted", listing.files[path].sha256 is not None)
        for path in sorted(stale)
    ]


def _text(listing: Listing | None, path: str, client: Hub) -> str | None:
    """Return the text of a file on the Hub; None if it does not exist."""
    if listing is None or path not in listing.files:
        return None
    try:
        return download(listing, path, client)[0].read_bytes().decode()
    except UnicodeDecodeError as error:
        raise PushError(f"{path} of {listing} is not UTF-8 text, so it cannot be kept", hint="mend it there") from error
    except FetchError as error:
        raise PushError(error.headline, error.details, hint=error.hint) from error


def _contents(outgoing: Outgoing, card: bytes | None) -> Iterator[tuple[str, bytes]]:
    """Yield all files of the push that are text."""
    if card is not None:
        yield CARD, card
    for name, path in outgoing.files.items():
        if not name.endswith(".safetensors") and not (card is not None and name == CARD):
            yield name, path.read_bytes()


def _card_text(folder: Path, card: bytes | None) -> str | None:
    if card is None and (folder / CARD).is_file():
        card = (folder / CARD).read_bytes()
    return None if card is None else card.decode(errors="replace")
