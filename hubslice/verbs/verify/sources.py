"""Check input models against the lock: in the run, or by the Hub's checksums."""

from __future__ import annotations

from collections.abc import Iterator

from hubslice.artefacts.lock import LockedModel
from hubslice.artefacts.model import FileFact
from hubslice.core.errors import FetchError, HubsliceError
from hubslice.engine.run_folder import RunFolder
from hubslice.files.names import WEIGHTS
from hubslice.hub.default import default_hub
from hubslice.hub.download import download
from hubslice.hub.hub import Hub
from hubslice.hub.integrity import digest
from hubslice.hub.listing import Listing, list_files
from hubslice.hub.ref import HubRef
from hubslice.hub.refusals import absent
from hubslice.run.drift import ROLES
from hubslice.run.lock import locked_model
from hubslice.run.steps.teacher import WEIGHTS_FOLDER
from hubslice.verbs.verify.claims import Claims
from hubslice.verbs.verify.facts import Finding, compared, unchecked

PART = "sources"


def check_sources(claims: Claims, *, full: bool) -> Iterator[Finding]:
    """Check every model in the lock; without a lock the teacher named in the report.

    The Hub lists the SHA-256 of large files, so weights are checked without being fetched; `full` fetches them. A
    commit that the Hub does not have cannot be checked by anybody: that counts as a difference.
    """
    models = claims.lock.models if claims.lock else {"pull": locked_model(claims.report.teacher)}
    for step, model in models.items():
        name = ROLES.get(step, f"unrelated network ({step.removeprefix('pull.')})")
        run = claims.place.run
        if run is not None:
            yield _in_run(run, step, name, model)
        if model.repo_id is None:
            if run is None and step == "pull" and claims.report.teacher.random_seed is not None:
                yield unchecked(PART, name, f"{model.model} with random weights; only their checksums are published")
            elif run is None:
                yield unchecked(PART, name, f"it was the local folder {model.model}; only its checksums are published")
        elif run is None or full:
            yield _on_hub(name, model, full=full)


def _in_run(run: RunFolder, step: str, name: str, model: LockedModel) -> Finding:
    folder, wrong = run.step(step) / WEIGHTS_FOLDER, []
    for fact in model.files:
        path = folder / fact.path
        if not path.is_file():
            wrong.append(f"{path} is missing")
        elif (found := digest(path).sha256) != fact.sha256:
            wrong.append(f"{fact.path}: sha256 is {found}, locked {fact.sha256}")
    return compared(PART, name, wrong, f"{len(model.files)} files in the run are the locked ones")


def _on_hub(name: str, model: LockedModel, *, full: bool) -> Finding:
    where = f"{model.repo_id}@{(model.commit or 'main')[:12]}"
    client = default_hub()
    try:
        listing = list_files(HubRef(where, str(model.repo_id), model.commit), client)
        # Files converted here are not on the Hub; their source files are.
        there = [*model.pickles, *(fact for fact in model.files if not (model.pickles and fact.path == WEIGHTS))]
        wrong = [line for fact in there if (line := _promise(fact, listing, client, full=full))]
    except FetchError as error:
        return not_given(PART, name, error)
    if not model.files:
        return unchecked(PART, name, "its files were not noted")
    how = "fetched and hashed" if full else "weights by the checksums that the Hub promises (--full fetches them)"
    return compared(PART, name, wrong, f"{len(there)} files of {where} are the locked ones; {how}")


def not_given(part: str, name: str, error: HubsliceError) -> Finding:
    """Return the finding on a source that cannot be fetched: not checked, unless the Hub reports it missing."""
    return compared(part, name, [error.headline], "") if absent(error) else unchecked(part, name, error.headline)


def _promise(fact: FileFact, listing: Listing, client: Hub, *, full: bool) -> str | None:
    """Return what is wrong with a file on the Hub; None if it is the locked one."""
    expected = listing.files.get(fact.path)
    if expected is None:
        missing = "is not in the cache" if client.offline else "is missing"
        if client.offline:
            raise FetchError(f"{fact.path} of {listing} {missing}, and offline mode is on")
        return f"{fact.path} {missing} at {listing}"
    # For small files the Hub only lists git's checksum: those are fetched.
    found = expected.sha256 if expected.sha256 and not full else download(listing, fact.path, client)[1].sha256
    return None if found == fact.sha256 else f"{fact.path}: sha256 is {found}, locked {fact.sha256}"
