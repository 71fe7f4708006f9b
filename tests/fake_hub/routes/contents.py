"""What a commit holds: trees, paths, history."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs

from tests.fake_hub import changes, errors
from tests.fake_hub.call import Call
from tests.fake_hub.records import Commit, Tree
from tests.fake_hub.wire import Response

PAGE = 1000
COMMITS_PAGE = 50
PICKLES = (".bin", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth")


def tree(call: Call) -> Response:
    """The files and folders below a path; with `recursive` at all depths."""
    commit, top = call.commit(), call.args.get("path", "").strip("/")
    names = {**dict.fromkeys(changes.folders(commit.tree)), **dict.fromkeys(commit.tree)}
    if top and top not in changes.folders(commit.tree):
        raise errors.entry_not_found(f"{top} does not exist on {call.args['rev']!r}", commit=commit.oid)
    below = [name for name in names if not top or name.startswith(f"{top}/")]
    if not call.request.flag("recursive"):
        below = [name for name in below if "/" not in name.removeprefix(f"{top}/" if top else "")]
    return call.paged(_rows(call, commit, sorted(below), expand=call.request.flag("expand")), PAGE)


def paths_info(call: Call) -> Response:
    """The same rows for the paths that the client names; missing ones are left out."""
    commit = call.commit()
    if "json" in call.request.headers.get("Content-Type", ""):
        data = call.request.json
        wanted, expand = data.get("paths", []), bool(data.get("expand"))
    else:
        form = parse_qs(call.request.content.decode())
        wanted, expand = form.get("paths", []), form.get("expand", ["false"])[-1].lower() == "true"
    folders = changes.folders(commit.tree)
    present = [path.strip("/") for path in wanted if path.strip("/") in commit.tree or path.strip("/") in folders]
    return Response.of(_rows(call, commit, present, expand=expand))


def commits(call: Call) -> Response:
    """The history of a revision, newest first."""
    rows = [
        {
            "id": commit.oid,
            "title": commit.title,
            "message": commit.message,
            "date": commit.date,
            "authors": [{"user": commit.author}],
            "parents": list(commit.parents),
        }
        for commit in call.store.history(call.repo, call.commit())
    ]
    return call.paged(rows, COMMITS_PAGE)


def _rows(call: Call, commit: Commit, paths: list[str], *, expand: bool) -> list[dict[str, Any]]:
    rows = [_row(commit.tree, path) for path in paths]
    for row in rows:
        if "lfs" in row and (xet_hash := call.xet.hash_of(commit.tree[row["path"]])):
            row["xetHash"] = xet_hash
    if expand:
        history = list(call.store.history(call.repo, commit))
        for row in rows:
            last = _last_change(history, row["path"])
            row["lastCommit"] = {"id": last.oid, "title": last.title, "date": last.date}
            if row["type"] == "file":
                status = "unscanned" if row["path"].endswith(PICKLES) else "safe"
                row["securityFileStatus"] = {"status": status, "avScan": None, "pickleImportScan": None}
    return rows


def _row(files: Tree, path: str) -> dict[str, Any]:
    file = files.get(path)
    if file is None:
        return {"type": "directory", "oid": _folder_oid(files, path), "size": 0, "path": path}
    row: dict[str, Any] = {"type": "file", "oid": file.oid, "size": file.size, "path": path}
    if file.lfs:
        row["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": file.pointer_size}
    return row


def _folder_oid(files: Tree, folder: str) -> str:
    """An id that changes with anything in the folder."""
    inside = [f"{path}\0{file.oid}" for path, file in files.items() if path.startswith(f"{folder}/")]
    return hashlib.sha1("\n".join(inside).encode()).hexdigest()


def _last_change(history: list[Commit], path: str) -> Commit:
    """The newest commit that changed a path; history is newest first."""
    for newer, older in pairwise(history):
        if _row(newer.tree, path)["oid"] != _row(older.tree, path)["oid"]:
            return newer
    return history[-1]
