"""Recognise the names of split folders."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hubslice.core.errors import DataError

SPELLINGS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "development"),
    "test": ("test", "testing", "eval", "evaluation", "holdout", "heldout"),
}
_OF = {word: split for split, words in SPELLINGS.items() for word in words}
# `training_set`, `Test-Images`, `valset`, `train2017`: suffixes of the word in common archives
_AFFIX = re.compile(r"(set|data|dataset|split|images|imgs|img)?(20[0-9]{2})?$")


def split_of(name: str) -> str | None:
    """Return `train`, `validation` or `test` if the folder name means one, in any case; else None."""
    plain = re.sub(r"[\s._-]", "", name.casefold())
    return _OF.get(plain) or _OF.get(_AFFIX.sub("", plain, count=1))


def numbered_split_of(name: str) -> str | None:
    """Return the same for a folder name that may end with a number (`test1`), which may also be a class."""
    return split_of(name) or split_of(name.rstrip("0123456789"))


def mentioned_split_of(name: str) -> tuple[str | None, str]:
    """Return the split of a name that contains one of the words, and the rest of the name without digits.

    `seg_train` gives `train` and `seg`; of several words the last counts.
    """
    if split := split_of(name):
        return split, ""
    words = re.split(r"[\W_]+", name.casefold())
    for at in reversed(range(len(words))):
        if split := split_of(words[at]):
            rest = "_".join(words[:at] + words[at + 1 :])
            return split, re.sub(r"[\d_]+", "", rest)
    return None, ""


def split_names(folders: Iterable[str], source: str) -> dict[str, str]:
    """Return the split's name for each of these folders, all of which are named after splits.

    If several folders mean one split (`test`, `holdout`), the one with exactly that name is it, and the others become
    splits of their own names.

    Raises:
        DataError: two folder names differ only in case.
    """
    every = sorted(folders)
    names: dict[str, str] = {}
    for folder in every:
        split = split_of(folder) or folder
        alone = sum(split_of(other) == split for other in every) == 1
        names[folder] = split if alone else folder.casefold()
    for folder, name in names.items():
        same = [other for other in every if names[other] == name and other != folder]
        if same:
            raise DataError(
                f"{source}: the folders {folder} and {same[0]} are both the split {name}",
                hint="put their class folders into one of them",
            )
    return names
