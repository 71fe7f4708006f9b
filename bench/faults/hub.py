"""A Hub in trouble: every fault at every request of every verb that asks it, and the same command once it is well."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

from tests.faults.hub_faults import ALWAYS, PASSING, SOME, WRONG_ANSWERS, Trouble, listings
from tests.run.lives import fork, import_what, outlive

from .life import CODES, SECRET, live, strays, trial_of
from .outcome import Trial

PART = "Hub in trouble"
COUNTED = True
LATE = Trouble("late", (), {"delay": 8.0})

# What is asked for, by name: method and path, and the troubles that are laid there.
_FETCHED = (*SOME, *PASSING, LATE)
_JSON = (*ALWAYS, *PASSING, *WRONG_ANSWERS, *listings("0" * 40), LATE)
WHERE: dict[str, tuple[tuple[str, str], tuple[Trouble, ...]]] = {
    "listing": (("GET", "^/api/models/"), _JSON),
    "listing of data": (("GET", "^/api/datasets/"), _JSON),
    "head": (("HEAD", "/resolve/"), _FETCHED),
    "file": (("GET", "/resolve/.*(json|yaml|lock|md)$"), _FETCHED),
    "weights": (("GET", "/resolve/.*safetensors$"), _FETCHED),
    "token of Xet": (("GET", "/xet-(read|write)-token/"), (*ALWAYS, *PASSING, *WRONG_ANSWERS)),
    "rights": (("GET", "/(auth-check|whoami)"), (*ALWAYS, *PASSING)),
    "card": (("POST", "/validate-yaml"), (*ALWAYS, *PASSING, *WRONG_ANSWERS)),
    "new repository": (("POST", "/repos/create"), (*SOME, *PASSING)),
    "kinds of files": (("POST", "/preupload/"), (*ALWAYS, *PASSING, *WRONG_ANSWERS)),
    "commit": (("POST", "/commit/"), (*SOME, *PASSING, *WRONG_ANSWERS)),
}


@dataclass(frozen=True)
class Verb:
    """A command that asks the Hub, what it asks for, and the exit codes that its end may have."""

    name: str
    command: tuple[str, ...]
    asks: tuple[str, ...]
    codes: frozenset[int] = frozenset({0, 3})


NEW = "alice/NEW"
VERBS = (
    Verb("pull --dry-run", ("pull", "alice/teacher", "--dry-run"), ("weights",)),
    Verb(
        "pull", ("slice", "hub.yaml", "--until", "pull", "--out", "made"), ("listing", "head", "file", "token of Xet")
    ),
    Verb("data", ("slice", "data.yaml", "--until", "data", "--out", "made"), ("listing of data",), CODES - {1}),
    Verb(
        "slice OWNER/NAME",
        ("slice", "alice/student", "data.path=./shapes.parquet", "--until", "pull", "--out", "made"),
        ("listing", "head", "file"),
    ),
    Verb("verify", ("verify", "alice/student", "--sample", "1"), ("listing", "head", "file"), CODES - {2}),
    Verb("lineage", ("lineage", "alice/student", "--candidates", "alice/teacher"), ("listing", "head", "weights")),
    Verb("lineage index", ("lineage", "index", "alice/teacher", "--out", "index"), ("listing", "head", "weights")),
    Verb("push", ("push", "run", NEW), ("listing", "rights", "card", "new repository", "kinds of files", "commit")),
)
GROUPS = {verb.name: verb for verb in VERBS}


def names(verb: Verb) -> list[str]:
    """The trials of a verb: a trouble at what it asks for."""
    return [f"{trouble.name} @ {where}" for where in verb.asks for trouble in WHERE[where][1]]


def trials(verb: Verb, names: Sequence[str], place: Path, scratch: Path, keep: Path | None) -> Iterator[Trial]:
    """The trials of these names, in turn, against a Hub in a thread of this process."""
    from tests.fake_hub import HubServer, User

    port = urlsplit(os.environ["HF_ENDPOINT"]).port or 0
    with HubServer(scratch / "hub", {SECRET: User("alice")}, port=port) as server:
        _seed(server, place, scratch)
        import_what(lambda: _good(verb, scratch), scratch / "modules")
        _hasten()
        for number, name in enumerate(names):
            folder = scratch / "trial"
            _lay(scratch, folder)
            what, _, where = name.partition(" @ ")
            path, troubles = WHERE[where]
            (trouble,) = (each for each in troubles if each.name == what)
            command = [f"alice/new-{number}" if word == NEW else word for word in verb.command]
            trouble.lay(server, path)
            faults = list(server.faults)
            first = live(command, folder, hub=True)
            server.faults.clear()
            again = live(command, folder, hub=True)
            wrong = [*first.wrong(verb.codes), *(f"again: {told}" for told in again.wrong(frozenset({0})))]
            wrong += [f"left {stray}" for stray in strays(folder)]
            if not any(fault.hits for fault in faults):
                wrong.append("the fault was never met")
            if keep is not None and (wrong or len(names) == 1):
                keep.joinpath(f"{verb.name} {name}.txt").write_text(f"{first.stderr}\n\n{again.stdout}\n{again.stderr}")
            shutil.rmtree(folder)
            yield trial_of(name, [first, again], wrong)


def _seed(server: object, place: Path, scratch: Path) -> None:
    """A teacher, a data set, and a student of that teacher, pushed by hubslice."""
    from tests.fake_hub import HubServer

    assert isinstance(server, HubServer)
    server.seed("alice/teacher", place / "teacher")
    server.seed("alice/images", {"data/train.parquet": (place / "shapes.parquet").read_bytes()}, kind="datasets")
    job = scratch / "job"
    job.mkdir()
    shutil.copy(place / "shapes.parquet", job)
    text = (place / "recipe.yaml").read_text().replace("model: ./teacher", "model: alice/teacher")
    (job / "hub.yaml").write_text(text)
    (job / "data.yaml").write_text(text.replace("path: ./shapes.parquet", "path: alice/images"))
    if code := outlive(
        fork(lambda: _commands(job, ("slice", "hub.yaml", "--out", "run"), ("push", "run", "alice/student")))
    ):
        raise RuntimeError(f"the student was not made: {code}")


def _commands(folder: Path, *commands: Sequence[str]) -> None:
    from hubslice.app import run

    os.chdir(folder)
    for command in commands:
        if code := run(command):
            raise RuntimeError(f"{command} ended with {code}")


def _good(verb: Verb, scratch: Path) -> None:
    """The verb against a sound Hub; it must end well, or the trials tell nothing."""
    folder = scratch / "good"
    _lay(scratch, folder)
    _commands(folder, ["alice/warm" if word == NEW else word for word in verb.command])


def _lay(scratch: Path, folder: Path) -> None:
    """A copy of the job with caches that hold nothing."""
    shutil.copytree(scratch / "job", folder)
    for cache in (Path(os.environ["HF_HOME"]), Path(os.environ["HUBSLICE_CACHE"])):
        shutil.rmtree(cache, ignore_errors=True)


def _hasten() -> None:
    """No pauses between tries, and two seconds for an answer; children inherit it."""
    import huggingface_hub.file_download as file_download
    import huggingface_hub.utils._http as http
    from huggingface_hub import constants

    import hubslice.hub.session as session

    vars(session)["_PATIENCE"] = (0.0, 0.0)
    vars(session)["_ANSWER"] = 2.0
    for module in (file_download, http):
        vars(module)["time"] = SimpleNamespace(sleep=lambda _: None)
    constants.HF_HUB_DOWNLOAD_TIMEOUT = constants.HF_HUB_ETAG_TIMEOUT = 2
