"""Downloads: whole files and ranges."""

from __future__ import annotations

import re

from tests.hub import errors
from tests.hub.call import Call
from tests.hub.errors import HubError
from tests.hub.wire import Response, Slice


def resolve(call: Call) -> Response:
    """The content of a file at a revision; the headers name the commit and the content's id and size."""
    commit = call.commit()
    file = commit.tree.get(call.args["path"])
    if file is None:
        raise errors.entry_not_found(commit=commit.oid)
    headers = {
        "X-Repo-Commit": commit.oid,
        "ETag": f'"{file.etag}"',
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream" if file.lfs else "text/plain; charset=utf-8",
    }
    if file.lfs:
        headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
    status, start, end = 200, 0, file.size
    wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", call.request.headers.get("Range", ""))
    if wanted and any(wanted.groups()):
        first, last = wanted.groups()
        start = int(first) if first else max(0, file.size - int(last))
        end = min(int(last) + 1, file.size) if first and last else file.size
        if start >= end:
            unsatisfied = {"Content-Range": f"bytes */{file.size}"}
            raise HubError(416, "RangeNotSatisfiable", "The range lies outside the file", headers=unsatisfied)
        status = 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
    return Response(status, Slice(call.store.objects.path(file.sha256), start, end - start), headers)
