"""From one tree of files to the next: the operations of a commit, the merge of a pull request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.fake_hub import errors
from tests.fake_hub.records import File, Tree

NO_SUCH_FILE = "A file with this name doesn't exist"  # clients look for this text


@dataclass(frozen=True)
class Put:
    """Add or replace a file."""

    path: str
    file: File


@dataclass(frozen=True)
class Delete:
    """Delete a file, or a folder with all that is in it."""

    path: str
    folder: bool = False


def apply(tree: Tree, operations: Iterable[Put | Delete]) -> dict[str, File]:
    """The tree after the operations, done in their order.

    Raises:
        HubError: 404 for deleting what is not there, 400 for a path that cannot be stored.
    """
    result = dict(tree)
    for operation in operations:
        if isinstance(operation, Put):
            check_path(operation.path)
            result[operation.path] = operation.file
        elif operation.folder:
            inside = [path for path in result if path.startswith(operation.path.rstrip("/") + "/")]
            if not inside:
                raise errors.entry_not_found(f"{NO_SUCH_FILE}: {operation.path}")
            for path in inside:
                del result[path]
        elif result.pop(operation.path, None) is None:
            raise errors.entry_not_found(f"{NO_SUCH_FILE}: {operation.path}")
    for folder in folders(result):
        if folder in result:
            raise errors.bad_request(f"{folder} cannot be both a file and a folder")
    return result


def check_path(path: str) -> None:
    """Refuse what git would not keep, or what would leave the repo."""
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or parts[0] == ".git" or "\\" in path:
        raise errors.bad_request(f"Invalid path in repo: {path!r}")


def folders(paths: Iterable[str]) -> set[str]:
    """Every folder that the paths imply, at all depths."""
    found = set()
    for path in paths:
        while "/" in path:
            path = path.rpartition("/")[0]
            found.add(path)
    return found


def changed(before: Tree, after: Tree) -> set[str]:
    """The paths that differ."""
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


def merge(base: Tree, ours: Tree, theirs: Tree) -> tuple[dict[str, File], list[str]]:
    """Three-way merge by path: the merged tree, and the paths that both sides changed differently."""
    conflicts = sorted(
        path for path in changed(base, ours) & changed(base, theirs) if ours.get(path) != theirs.get(path)
    )
    merged = dict(ours)
    for path in changed(base, theirs):
        if path in theirs:
            merged[path] = theirs[path]
        else:
            merged.pop(path, None)
    return merged, conflicts
