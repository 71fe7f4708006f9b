"""A task: three splits of labelled images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hubslice.artefacts.report import TaskReport
from hubslice.core.errors import DataError
from hubslice.core.sampling import drawn
from hubslice.modality.modality import Encoded, Modality
from hubslice.recipe.problems import suggest
from hubslice.recipe.schema import REST, DataParams
from hubslice.recipe.transparency import Transparency
from hubslice.task.aside import some, tell
from hubslice.task.choice import against_rest, only
from hubslice.task.labels import in_order
from hubslice.task.opening import open_tables
from hubslice.task.split import group_split
from hubslice.task.split_words import split_of
from hubslice.task.table import Table

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Selected rows of a table. `targets` are their class indices, int64 [samples]."""

    table: Table
    rows: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def encoded(self, start: int, stop: int, modality: Modality[Any]) -> Encoded:
        """Encode samples `start` to `stop` for a model of this modality."""
        return modality.encode([self.table.item(row) for row in self.rows[start:stop]])

    def take(self, count: int, seed: int) -> Split:
        """Return at most `count` samples, drawn with the seed, in the split's order."""
        if count >= len(self):
            return self
        return self.at(drawn(len(self), count, seed))

    def at(self, chosen: np.ndarray) -> Split:
        """Return the samples at these positions [n]."""
        return Split(self.table, self.rows[chosen], self.targets[chosen])

    def limited(self, count: int, seed: int) -> Split:
        """Return at most `count` samples as in `take`, with at least one of every class if `count` allows."""
        if count >= len(self):
            return self
        order = np.random.default_rng(seed).permutation(len(self))
        firsts = np.sort(np.unique(self.targets[order], return_index=True)[1])
        return self.at(np.sort(np.concatenate([order[firsts], np.delete(order, firsts)])[:count]))


@dataclass(frozen=True)
class Task:
    """The splits, their class names and their source."""

    labels: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    report: TaskReport


def load_task(params: DataParams, base: Path, seed: int) -> Task:
    """Open the data and split it; the same parameters, data and seed give the same splits.

    Raises:
        DataError: data, columns, splits or classes do not match the recipe.
        FetchError: the dataset cannot be fetched from the Hub.
    """
    tables, fingerprint, commit = open_tables(params, base)
    splits = _cut(tables, params, seed)
    _check_splits(splits, params)
    labels = splits["train"].table.labels
    if params.classes:
        labels, splits = _choose(splits, params, seed)
    if params.limit is not None:
        splits = {name: split.limited(params.limit, seed) for name, split in splits.items()}
    _check_classes(labels, splits, params)
    if params.group is not None:
        _check_groups(splits, params)
    report = TaskReport(
        source=params.path if commit else Path(params.path).name,
        revision=commit,
        labels=labels,
        samples={name: len(splits[name]) for name in SPLITS},
        grouped=params.group is not None,
        fingerprint=_fingerprint(fingerprint, splits, params.transparency),
        transparency=params.transparency,
        left_out=dict(splits["train"].table.left_out),
    )
    return Task(labels, splits["train"], splits["validation"], splits["test"], report)


def _cut(tables: dict[str, Table], params: DataParams, seed: int) -> dict[SplitName, Split]:
    wanted = params.splits
    named = {name: _spelt(part, tables) for name, part in wanted if isinstance(part, str)}
    unknown = sorted(set(named.values()) - tables.keys())
    if unknown:
        raise DataError(
            f"{params.path} has no split {unknown[0]!r}; its splits are {', '.join(tables)}",
            hint="name them in data.splits, or give shares",
        )
    if not named:
        if len(tables) > 1:
            raise DataError(
                f"{params.path} comes with splits ({', '.join(tables)}), and data.splits gives shares of one table",
                hint=f"name them, e.g. data.splits: {_example(tables)}",
            )
        table = next(iter(tables.values()))
        return _shares(table, {name: getattr(wanted, name) for name in SPLITS}, seed)
    unused = [f"{name} ({len(tables[name]):,} images)" for name in tables if name not in named.values()]
    if unused:
        tell(f"{params.path}: data.splits does not name the split{'s' * (len(unused) > 1)} {some(unused)}: not used")
    tables = tables | _with_all_classes({name: tables[name] for name in named.values()}, params)
    whole = {name: _whole(tables[part]) for name, part in named.items()}
    if "validation" not in named:
        share = float(wanted.validation)
        cut = _shares(tables[named["train"]], {"train": 1 - share, "validation": share}, seed)
        whole |= {str(name): split for name, split in cut.items()}
    return {name: whole[name] for name in SPLITS}


def _with_all_classes(tables: dict[str, Table], params: DataParams) -> dict[str, Table]:
    """Return the tables with the union of their classes if classes come from column values: a split may lack some."""
    if any(table.named for table in tables.values()):
        return tables
    every = in_order(label for table in tables.values() for label in table.labels)
    for name, table in tables.items():
        if absent := in_order(set(every) - set(table.labels)):
            tell(f"{params.path}: the split {name} has no images of {some(absent, 5)}, which other splits have")
    return {name: replace(table, labels=every) for name, table in tables.items()}


def _example(tables: Mapping[str, Table]) -> str:
    """Return a recipe line with the names of the existing splits."""
    names = {name: name if name in tables else next(iter(tables)) for name in ("train", "test")}
    validation = "validation" if "validation" in tables else "0.15"
    return f"{{train: {names['train']}, validation: {validation}, test: {names['test']}}}"


def _spelt(name: str, tables: Mapping[str, Table]) -> str:
    """Resolve a split name: an exact match, or `validation` for `val` if no split is named `val`."""
    other = split_of(name)
    return other if other is not None and name not in tables and other in tables else name


def _shares(table: Table, shares: dict[SplitName, float], seed: int) -> dict[SplitName, Split]:
    targets = table.targets()
    rows = group_split(targets, table.groups(), {str(k): v for k, v in shares.items()}, seed)
    return {name: Split(table, rows[name], targets[rows[name]]) for name in shares}


def _whole(table: Table) -> Split:
    return Split(table, np.arange(len(table), dtype=np.int64), table.targets())


def _check_splits(splits: dict[SplitName, Split], params: DataParams) -> None:
    """Check that every split has samples, and that all splits have the same classes."""
    labels = splits["train"].table.labels
    for name, split in splits.items():
        if not len(split):
            raise DataError(f"the {name} split of {params.path} is empty", hint=_mend(params))
        differing = sorted(set(labels) ^ set(split.table.labels))
        if differing:
            raise DataError(
                f"the {name} split of {params.path} has other classes than the train split: only one has "
                f"'{differing[0]}'",
                hint="name splits with the same classes, or give shares of one table in data.splits",
            )


def _choose(
    splits: dict[SplitName, Split], params: DataParams, seed: int
) -> tuple[tuple[str, ...], dict[SplitName, Split]]:
    """Return the labels and samples of the task after applying `classes` and `against_rest`."""
    labels = splits["train"].table.labels
    unknown = [name for name in params.classes if name not in labels]
    if unknown:
        raise DataError(
            f"data.classes names '{unknown[0]}', which {params.path} does not have{suggest(unknown[0], labels)}",
            hint=f"its classes are {', '.join(labels)}",
        )
    if params.against_rest and len(params.classes) == len(labels):
        raise DataError(
            f"data.classes names all classes of {params.path}: none is left for the rest", hint="name fewer of them"
        )
    chosen: dict[SplitName, Split] = {}
    for name, split in splits.items():
        classes = np.array([split.table.labels.index(label) for label in params.classes])
        if params.against_rest:
            places, targets = against_rest(split.targets, classes, seed)
        else:
            places, targets = only(split.targets, classes)
        if not len(places):
            raise DataError(
                f"the {name} split of {params.path} has no samples of {', '.join(params.classes)}", hint=_mend(params)
            )
        chosen[name] = Split(split.table, split.rows[places], targets)
    return ("+".join(params.classes), REST) if params.against_rest else params.classes, chosen


def _check_classes(labels: tuple[str, ...], splits: dict[SplitName, Split], params: DataParams) -> None:
    """Check that no evaluation class is missing from the training split."""
    path, hint, trained = params.path, _mend(params), np.unique(splits["train"].targets)
    if len(trained) < 2:
        raise DataError(
            f"the train split of {path} has samples of one class only, '{labels[trained[0]]}'",
            hint="a task needs two classes or more; "
            + (hint if len(labels) > 1 else "they are the folders in class/image.png, or the values of data.label"),
        )
    for name, split in splits.items():
        unknown = np.setdiff1d(split.targets, trained)
        if len(unknown):
            raise DataError(
                f"the {name} split of {path} has samples of the class '{labels[unknown[0]]}', the train split none",
                hint=hint,
            )


def _mend(params: DataParams) -> str:
    hint = "change the shares in data.splits"
    if isinstance(params.splits.test, str):
        hint = "name other splits in data.splits, or classes in data.classes"
    hint += ", or raise data.limit" if params.limit else ""
    return hint + (f", or name finer groups than '{params.group}'" if params.group is not None else "")


def _check_groups(splits: dict[SplitName, Split], params: DataParams) -> None:
    """Check that no group is in several splits, which happens only with predefined splits."""
    groups = {name: split.table.group_names(split.rows) for name, split in splits.items()}
    pairs: tuple[tuple[SplitName, SplitName], ...] = (
        ("train", "validation"),
        ("train", "test"),
        ("validation", "test"),
    )
    for name, other in pairs:
        torn = groups[name] & groups[other]
        if torn:
            raise DataError(
                f"{len(torn)} groups of {params.path} have samples in {name} and in {other}, for instance {min(torn)}",
                hint="give shares in data.splits, or leave out data.group",
            )


def _fingerprint(content: str, splits: dict[SplitName, Split], transparency: Transparency) -> str:
    digest = hashlib.sha256(content.encode())
    if transparency != "white":  # formerly the only rule; fingerprints from then stay valid
        digest.update(f"transparent: {transparency}".encode())
    for name in SPLITS:
        digest.update(json.dumps([name, splits[name].rows.tolist(), splits[name].targets.tolist()]).encode())
    return digest.hexdigest()
