"""Repos as a whole: create, delete, settings."""

from __future__ import annotations

from typing import Any

from tests.fake_hub import access, errors
from tests.fake_hub.access import Access
from tests.fake_hub.call import Call
from tests.fake_hub.records import KINDS
from tests.fake_hub.wire import Response


def create(call: Call) -> Response:
    """The address of the new repo; 409, with the address, where it exists."""
    user = access.check_writer(call.user)
    data = call.request.json
    kind, repo_id = _target(call, data)
    if not user.owns(repo_id.partition("/")[0]):
        raise errors.forbidden(f"You don't have the rights to create a {kind.removesuffix('s')} under this namespace")
    url = f"{call.url}/{'' if kind == 'models' else kind + '/'}{repo_id}"
    private = data.get("visibility") == "private" or data.get("private") is True
    try:
        repo = call.store.create(kind, repo_id, author=user.name, private=private)
    except ValueError:
        raise errors.conflict(f"You already created this {kind.removesuffix('s')} repo", url=url) from None
    return Response.of({"url": url, "name": repo.id, "id": repo.id})


def delete(call: Call) -> Response:
    """Forget the repo."""
    kind, repo_id = _target(call, call.request.json)
    access.check(call.user, call.store.find(kind, repo_id), Access.WRITE)
    call.store.delete(kind, repo_id)
    return Response.of({})


def move(call: Call) -> Response:
    """Rename the repo, within what the user may write to."""
    data = call.request.json
    kind, new_id = f"{data.get('type', 'model')}s", str(data.get("toRepo"))
    repo = access.check(call.user, call.store.find(kind, str(data.get("fromRepo"))), Access.WRITE)
    if not access.check_user(call.user).owns(new_id.partition("/")[0]):
        raise errors.forbidden("You don't have the rights to create a repo under this namespace")
    call.store.move(kind, repo.id, new_id)
    return Response.of({})


def settings(call: Call) -> Response:
    """The visibility and the gate after the change."""
    data = call.request.json
    with call.store.edit(call.repo.kind, call.repo.id) as repo:
        if "visibility" in data or "private" in data:
            repo.private = data.get("visibility") == "private" or data.get("private") is True
        if "gated" in data:
            if data["gated"] not in ("auto", "manual", False):
                raise errors.bad_request('"gated" must be one of "auto", "manual", false')
            repo.gated = data["gated"]
    return Response.of({"private": repo.private, "gated": repo.gated})


def grant(call: Call) -> Response:
    """Let a user through the gate."""
    with call.store.edit(call.repo.kind, call.repo.id) as repo:
        repo.granted.append(str(call.request.json.get("user")))
    return Response.of({})


def _target(call: Call, data: dict[str, Any]) -> tuple[str, str]:
    """Kind and id of the repo that a request names in its body."""
    kind = f"{data.get('type') or 'model'}s"
    if kind not in KINDS or not data.get("name"):
        raise errors.bad_request(f"Invalid repo type or name: {data.get('type')}, {data.get('name')}")
    return kind, f"{data.get('organization') or call.login}/{data['name']}"
