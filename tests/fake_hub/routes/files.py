"""Downloads: whole files and ranges."""

from __future__ import annotations

from tests.fake_hub import errors, ranges
from tests.fake_hub.call import Call
from tests.fake_hub.wire import Response


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
    # Clients choose the way of a download by the answer to HEAD alone.
    if call.request.method == "HEAD" and (xet_hash := call.xet.hash_of(file)):
        token = f"{call.url}/api/{call.repo.kind}/{call.repo.id}/xet-read-token/{commit.oid}"
        headers |= {"X-Xet-Hash": xet_hash, "Link": f'<{token}>; rel="xet-auth"'}
    return ranges.answer(call.request, call.store.objects.path(file.sha256), file.size, headers)
