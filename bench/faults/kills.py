"""Commands ended at random moments, by every signal; given again, they must end with the same bytes."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.run.lives import import_what

from .life import SECRET, Ended, live, strays, trial_of
from .outcome import Trial

PART = "ended at random moments"
COUNTED = True
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
CODES = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGHUP: 129}


@dataclass(frozen=True)
class Verb:
    """A command that writes, what of the place it needs, where it writes, and how often it is tried."""

    name: str
    command: tuple[str, ...]
    needs: tuple[str, ...]
    made: str
    often: int = 12
    hub: bool = False


_JOB = ("teacher", "shapes.parquet", "recipe.yaml")
_SEEDS = ("vit", "other", "seeds")
VERBS = (
    Verb("slice", ("slice", "recipe.yaml", "--out", "made"), _JOB, "made", often=40),
    Verb("card", ("card", "run"), ("run", *_JOB), "run/student"),
    Verb("pull", ("pull", "alice/teacher", "--out", "made"), (), "made", hub=True),
    Verb("push", ("push", "run", "alice/NEW"), ("run",), "", hub=True, often=16),
    Verb("convert to onnx", ("convert", "teacher", "--to", "onnx", "--out", "made"), ("teacher",), "made"),
    Verb(
        "convert to pruned",
        ("convert", "teacher", "--to", "pruned", "--data", "shapes.parquet", "--epochs", "1", "--out", "made"),
        ("teacher", "shapes.parquet"),
        "made",
    ),
    Verb("diff", ("diff", "vit", "other", "--inputs", "seeds", "--budget", "400", "--out", "made"), _SEEDS, "made"),
    Verb("explain", ("explain", "teacher", "--inputs", "seeds", "--out", "made"), ("teacher", "seeds"), "made"),
    Verb(
        "lineage index",
        ("lineage", "index", "teacher", "vit", "other", "--out", "made"),
        ("teacher", "vit", "other"),
        "made",
    ),
    Verb(
        "lineage",
        ("lineage", "teacher", "--candidates", "vit", "other", "--out", "made"),
        ("teacher", "vit", "other"),
        "made",
    ),
    Verb("poison", ("poison", "poison.yaml", "--out", "made"), ("poison.yaml", "teacher", "shapes.parquet"), "made"),
)
GROUPS = {verb.name: verb for verb in VERBS}


def names(verb: Verb) -> list[str]:
    """The trials of a verb: a signal and a seed of the moment."""
    return [f"{SIGNALS[number % len(SIGNALS)].name} {number}" for number in range(verb.often)]


def trials(verb: Verb, names: Sequence[str], place: Path, scratch: Path, keep: Path | None) -> Iterator[Trial]:
    """The trials of these names, in turn."""
    from tests.fake_hub import HubServer, User

    with HubServer(
        scratch / "hub", {SECRET: User("alice")}, port=urlsplit(os.environ["HF_ENDPOINT"]).port or 0
    ) as server:
        server.seed("alice/teacher", place / "teacher")
        wholes, seconds = [], 0.0
        import_what(lambda: _commands(verb, place, scratch / "warm"), scratch / "modules")
        for number in range(2):
            ended, folder = _undisturbed(verb, place, scratch / f"whole-{number}", number)
            if ended.code != 0:
                raise RuntimeError(f"{verb.command} ended with {ended.code}: {ended.stderr[-500:]}")
            wholes.append(_bytes(verb, folder, server, number))
            seconds = ended.seconds
        same = {name: digest for name, digest in wholes[0].items() if wholes[1].get(name) == digest}
        if not same:
            raise RuntimeError(f"nothing that {verb.command} writes is the same twice: {sorted(wholes[0])}")
        for name in names:
            word, _, number = name.partition(" ")
            moment = random.Random(f"{verb.name} {number}").random() * seconds
            folder = scratch / "trial"
            _lay(verb, place, folder)
            command = _named(verb, int(number) + 10)
            sent = signal.Signals[word]
            first = live(command, folder, hub=verb.hub, before=lambda pid, m=moment, s=sent: _end(pid, m, s))
            wrong = list(first.wrong(frozenset({0, CODES[sent], -sent})))  # -: before the command had begun
            if sent != signal.SIGKILL:
                wrong += [f"left {stray}" for stray in strays(folder)]
            again = live(command, folder, hub=verb.hub)
            wrong += [f"again: {told}" for told in again.wrong(frozenset({0}))]
            wrong += [f"left in the end {stray}" for stray in strays(folder)]
            found = _bytes(verb, folder, server, int(number) + 10)
            wrong += [f"other bytes in {each}" for each in sorted(same) if found.get(each) != same[each]][:3]
            wrong += [f"{each} was not there without the end" for each in sorted(found.keys() - wholes[0].keys())][:3]
            if keep is not None and (wrong or len(names) == 1):
                told = f"after {moment:.2f} s of {seconds:.2f}\n{first.stderr}\n\n{again.stdout}\n{again.stderr}"
                keep.joinpath(f"{verb.name} {name}.txt").write_text(told)
            shutil.rmtree(folder)
            yield trial_of(name, [first, again], wrong)


def _end(pid: int, moment: float, sent: signal.Signals) -> None:
    time.sleep(moment)
    try:
        os.killpg(pid, sent)
    except ProcessLookupError:
        return


def _named(verb: Verb, number: int) -> list[str]:
    return [word.replace("NEW", f"new-{number}") for word in verb.command]


def _undisturbed(verb: Verb, place: Path, folder: Path, number: int) -> tuple[Ended, Path]:
    _lay(verb, place, folder)
    return live(_named(verb, number), folder, hub=verb.hub), folder


def _commands(verb: Verb, place: Path, folder: Path) -> None:
    from hubslice.app import run

    _lay(verb, place, folder)
    os.chdir(folder)
    run(_named(verb, 9))


def _lay(verb: Verb, place: Path, folder: Path) -> None:
    """A copy of what the verb needs, with caches that hold nothing."""
    folder.mkdir()
    for name in verb.needs:
        if (place / name).is_dir():
            shutil.copytree(place / name, folder / name)
        else:
            shutil.copy(place / name, folder / name)
    for cache in (Path(os.environ["HF_HOME"]), Path(os.environ["HUBSLICE_CACHE"])):
        shutil.rmtree(cache, ignore_errors=True)


def _bytes(verb: Verb, folder: Path, server: object, number: int) -> dict[str, str]:
    """What the verb made, as checksums by name: on the Hub, or on the disk."""
    from tests.fake_hub import HubServer

    assert isinstance(server, HubServer)
    if not verb.made:
        return {
            name: hashlib.sha256(content).hexdigest() for name, content in server.files(f"alice/new-{number}").items()
        }
    made = folder / verb.made
    files = [made] if made.is_file() else [path for path in made.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
