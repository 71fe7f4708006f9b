"""Malformed files: of every kind that hubslice reads some hundred, each given to the commands that read it."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.run.lives import import_what

from . import spoil
from .life import CANARY, OPENED, Ended, live, strays, trial_of
from .outcome import Trial

PART = "malformed files"
COUNTED = True


@dataclass(frozen=True)
class Kind:
    """A kind of file: which is spoilt, how, what of the place it needs beside it, and the commands that read it.

    `anywhere`: a table of one's own, whose images may lie anywhere; those that came from the Hub may not say so.
    """

    name: str
    file: str
    spoil: spoil.Spoil
    needs: tuple[str, ...]
    commands: tuple[tuple[str, ...], ...]
    anywhere: bool = False


_PULL = ("slice", "recipe.yaml", "--until", "pull", "--out", "made")
_DATA = ("--until", "data", "--out", "made")
_VERIFY = ("verify", "student", "--sample", "1")
_DIFF = ("--budget", "5", "--out", "made", "--limit", "4")

KINDS = (
    Kind(
        "weights",
        "teacher/model.safetensors",
        spoil.safetensors_,
        ("teacher-b", "recipe.yaml", "shapes.parquet"),
        (("lineage", "teacher", "--candidates", "teacher-b"), _PULL),
    ),
    Kind(
        "config of timm",
        "teacher/config.json",
        spoil.json_,
        ("recipe.yaml", "shapes.parquet"),
        (_PULL,),
    ),
    Kind(
        "config of transformers",
        "vit/config.json",
        spoil.json_,
        ("other",),
        (("diff", "vit", "other", "--inputs", "seeds", *_DIFF),),
    ),
    Kind(
        "image processor",
        "vit/preprocessor_config.json",
        spoil.json_,
        ("other",),
        (("diff", "vit", "other", "--inputs", "seeds", *_DIFF),),
    ),
    Kind(
        "index of shards",
        "sharded/model.safetensors.index.json",
        spoil.json_,
        ("other",),
        (("lineage", "sharded", "--candidates", "other"),),
    ),
    Kind(
        "tokenizer",
        "texts/tokenizer.json",
        spoil.json_,
        ("texts-b", "seeds.txt"),
        (("diff", "texts", "texts-b", "--inputs", "seeds.txt", *_DIFF),),
    ),
    Kind(
        "settings of a tokenizer",
        "texts/tokenizer_config.json",
        spoil.json_,
        ("texts-b", "seeds.txt"),
        (("diff", "texts", "texts-b", "--inputs", "seeds.txt", *_DIFF),),
    ),
    Kind(
        "texts",
        "seeds.txt",
        spoil.lines_,
        ("texts", "texts-b"),
        (("diff", "texts", "texts-b", "--inputs", "seeds.txt", *_DIFF),),
    ),
    Kind(
        "parquet",
        "shapes.parquet",
        spoil.parquet_,
        ("teacher", "recipe.yaml"),
        (("slice", "recipe.yaml", *_DATA),),
        anywhere=True,
    ),
    Kind(
        "image",
        "seeds/0.png",
        spoil.by_bytes,
        ("vit", "other"),
        (("diff", "vit", "other", "--inputs", "seeds", *_DIFF),),
    ),
    Kind(
        "table of a folder",
        "listed/metadata.csv",
        spoil.lines_,
        ("teacher", "listed.yaml"),
        (("slice", "listed.yaml", *_DATA),),
        anywhere=True,
    ),
    Kind(
        "recipe",
        "recipe.yaml",
        spoil.yaml_,
        ("teacher", "shapes.parquet"),
        (("validate", "recipe.yaml"), ("slice", "recipe.yaml", *_DATA)),
    ),
    Kind("report", "student/report.json", spoil.json_, (), (_VERIFY,)),
    Kind("lock", "student/hubslice.lock", spoil.json_, (), (_VERIFY,)),
    Kind("card", "student/README.md", spoil.lines_, (), (_VERIFY,)),
    Kind("recipe of a student", "student/recipe.yaml", spoil.yaml_, (), (_VERIFY,)),
    Kind("slice", "student/slice.safetensors", spoil.safetensors_, (), (_VERIFY,)),
    Kind("evidence", "student/evidence/backdoor-trigger.safetensors", spoil.safetensors_, (), (_VERIFY,)),
    Kind("signature", "student/model.sig", spoil.json_, ("key.pub",), ((*_VERIFY, "--key", "key.pub"),)),
    Kind("run", "run/run.json", spoil.json_, (), (("info", "run"),)),
    Kind(
        "index of parents",
        "parents.safetensors",
        spoil.safetensors_,
        ("teacher",),
        (("lineage", "teacher", "--index", "parents.safetensors"),),
    ),
    Kind(
        "graph",
        "graph/model.onnx",
        spoil.onnx_,
        (),
        (("latency", "graph/model.onnx", "--rounds", "5", "--batch", "1", "--no-memory"),),
    ),
)


GROUPS = {kind.name: kind for kind in KINDS}


def names(_: Kind) -> list[str]:
    """The trials of a kind: each is a seed."""
    return [str(number) for number in range(500)]


def trials(kind: Kind, names: Sequence[str], place: Path, scratch: Path, keep: Path | None) -> Iterator[Trial]:
    """The trials of these names, in turn."""
    import_what(lambda: _good(kind, place, scratch / "good"), scratch / "modules")
    good = (place / kind.file).read_bytes()
    for name in names:
        folder = scratch / "trial" / "place"
        _lay(kind, place, folder)
        (folder.parent / CANARY).write_bytes(good)
        (folder / kind.file).write_bytes(kind.spoil(good, random.Random(f"{kind.name} {name}")))
        ended = [live(command, folder) for command in kind.commands]
        wrong = [told for each in ended for told in each.wrong()]
        if kind.anywhere:
            wrong = [told for told in wrong if not told.startswith(OPENED)]
        if not any(each.late for each in ended):
            wrong += [f"left {stray}" for stray in strays(folder)]
        if keep is not None and (wrong or len(names) == 1):
            (folder / "told.txt").write_text("\n\n".join(map(_told, ended)))
            shutil.copytree(folder, keep / kind.name / name, dirs_exist_ok=True)
        shutil.rmtree(folder.parent)
        yield trial_of(name, ended, wrong)


def _lay(kind: Kind, place: Path, folder: Path) -> None:
    """A copy of what the kind needs, with links where nothing is spoilt."""
    folder.mkdir(parents=True)
    top = kind.file.split("/")[0]
    for name in {top, *kind.needs, *(("seeds",) if kind.commands[0][0] == "diff" else ())}:
        source, target = place / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(source, target)


def _good(kind: Kind, place: Path, folder: Path) -> None:
    """The commands on the good file; all must end well, or the trials tell nothing."""
    from hubslice.app import run

    _lay(kind, place, folder)
    os.chdir(folder)
    for command in kind.commands:
        if code := run(command):
            raise RuntimeError(f"{command} ended with {code} on what is not spoilt")


def _told(ended: Ended) -> str:
    return f"exit {ended.code}, {ended.seconds:.1f} s, {ended.memory} MiB\n{ended.stdout}\n{ended.stderr}"
