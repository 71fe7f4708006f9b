"""Writing: what a client asks before it uploads, and the commit itself."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from typing import Any

from tests.fake_hub import access, cards, changes, errors, upload_rules
from tests.fake_hub.call import Call
from tests.fake_hub.changes import Delete, Put
from tests.fake_hub.records import Repo
from tests.fake_hub.routes import discussions
from tests.fake_hub.wire import Response


def preupload(call: Call) -> Response:
    """For each file: how to upload it, whether it is ignored, and the id of what is there now."""
    tree = call.commit().tree
    data = call.request.json

    def text(path: str) -> bytes:
        return call.store.objects.read(tree[path].sha256) if path in tree else b""

    patterns = upload_rules.large_file_patterns(text(".gitattributes"))
    gitignore = data.get("gitIgnore") or text(".gitignore").decode(errors="replace")
    rows = []
    for file in data.get("files", []):
        path, size = file["path"], file["size"]
        row: dict[str, Any] = {
            "path": path,
            "uploadMode": "lfs" if upload_rules.is_large(path, size, patterns) else "regular",
            "shouldIgnore": upload_rules.is_ignored(path, gitignore),
        }
        if path in tree:
            row["oid"] = tree[path].etag
        rows.append(row)
    return Response.of({"files": rows})


def commit(call: Call) -> Response:
    """Do all operations as one commit on a branch or pull request, or open a pull request with it.

    The contents are stored first; then the check of the parent and the move of the ref are one step.
    """
    header, operations = _parse(call)
    title, message = str(header.get("summary") or ""), str(header.get("description") or "")
    if not title:
        raise errors.bad_request("A commit needs a summary")
    propose = call.request.flag("create_pr")
    revision, parent, login = call.args["rev"], header.get("parentCommit"), call.login
    with call.store.edit(call.repo.kind, call.repo.id) as repo:
        if propose and revision not in repo.branches:
            raise errors.revision_not_found(revision)
        ref = None if propose else _writable(call, repo, revision)
        head = call.store.commit(repo, parent if propose and parent else revision)
        if parent and not head.oid.startswith(parent):
            raise errors.stale_parent()
        tree = changes.apply(head.tree, operations)
        made = call.store.add_commit(repo, tree, (head.oid,), title=title, message=message, author=login)
        reply = {"success": True, "commitOid": made.oid, "commitUrl": f"{call.repo_url}/commit/{made.oid}"}
        if ref is None:
            pull = discussions.open_pull_request(
                repo, title, message, author=login, status="open", base=revision, start=head.oid
            )
            ref = pull.ref
            reply["pullRequestUrl"] = f"{call.repo_url}/discussions/{pull.num}"
        discussions.move(repo, ref, made)
    return Response.of(reply)


def _writable(call: Call, repo: Repo, revision: str) -> str:
    """The ref to move: a branch for those who may write, an open pull request also for its author."""
    pull = next((each for each in repo.discussions if each.is_pull_request and each.ref == revision), None)
    if pull is not None:
        if pull.status not in ("open", "draft"):
            raise errors.forbidden(f"The pull request {pull.num} is {pull.status}")
        if pull.author != call.login:
            access.check(call.user, repo, access.Access.WRITE)
        return revision
    if revision not in repo.branches:
        raise errors.revision_not_found(revision)
    access.check(call.user, repo, access.Access.WRITE)
    return revision


def _parse(call: Call) -> tuple[dict[str, Any], list[Put | Delete]]:
    header: dict[str, Any] = {}
    operations: list[Put | Delete] = []
    try:
        for line in filter(None, call.request.content.splitlines()):
            entry = json.loads(line)
            if entry["key"] == "header":
                header = entry["value"]
            else:
                operations.extend(_operation(call, entry["key"], entry["value"]))
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise errors.bad_request(f"Malformed commit: {error!r}") from error
    return header, operations


def _operation(call: Call, key: str, value: dict[str, Any]) -> Iterator[Put | Delete]:
    path = value["path"]
    if key == "deletedFile":
        yield Delete(path)
    elif key == "deletedFolder":
        yield Delete(path, folder=True)
    elif key == "file":
        content = base64.b64decode(value["content"]) if value.get("encoding") == "base64" else value["content"].encode()
        if len(content) > upload_rules.LARGE:
            raise errors.bad_request(f"{path} is larger than 10 MiB: upload it as a large file")
        if path == "README.md" and (faults := cards.faults(content.decode(errors="replace"), call.repo.kind)):
            raise errors.bad_request("Invalid metadata in README.md", faults)
        yield Put(path, call.store.add_file(content, lfs=False))
    elif key == "lfsFile":
        size = call.xet.fetch(str(value["oid"]))
        if value.get("algo") != "sha256" or size is None:
            raise errors.bad_request(f"{path}: no object {value['oid']} was uploaded")
        if value.get("size") not in (None, size):
            raise errors.bad_request(f"{path}: the object has {size} bytes, not {value['size']}")
        yield Put(path, call.store.large_file(value["oid"], size))
    else:
        raise errors.bad_request(f"Unknown operation: {key}")
