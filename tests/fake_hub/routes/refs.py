"""Branches and tags."""

from __future__ import annotations

from tests.fake_hub import errors
from tests.fake_hub.call import Call
from tests.fake_hub.wire import Response


def listing(call: Call) -> Response:
    """All refs with the commits they point to; pull requests when asked for."""

    def rows(refs: dict[str, str], prefix: str) -> list[dict[str, str]]:
        return [{"name": name, "ref": prefix + name, "targetCommit": oid} for name, oid in refs.items()]

    found = {
        "branches": rows(call.repo.branches, "refs/heads/"),
        "tags": rows(call.repo.tags, "refs/tags/"),
        "converts": [],
    }
    if call.request.flag("include_prs"):
        found["pullRequests"] = rows(call.repo.pulls, "")
    return Response.of(found)


def create_branch(call: Call) -> Response:
    """A branch at a revision, by default at the head of `main`."""
    name = call.args["branch"]
    with call.store.edit(call.repo.kind, call.repo.id) as repo:
        if name in repo.branches:
            raise errors.conflict(f"Reference already exists: {name}")
        repo.branches[name] = call.store.commit(repo, call.request.json.get("startingPoint") or "main").oid
    return Response.of({}, 201)


def delete_branch(call: Call) -> Response:
    """Forget the branch; `main` stays."""
    if call.args["branch"] == "main":
        raise errors.forbidden("The default branch cannot be deleted")
    with call.store.edit(call.repo.kind, call.repo.id) as repo:
        if repo.branches.pop(call.args["branch"], None) is None:
            raise errors.revision_not_found(call.args["branch"])
    return Response.of({})


def create_tag(call: Call) -> Response:
    """A tag at a revision."""
    name = str(call.request.json.get("tag", ""))
    if not name:
        raise errors.bad_request('"tag" is required')
    with call.store.edit(call.repo.kind, call.repo.id) as repo:
        if name in repo.tags:
            raise errors.conflict(f"Tag {name} already exists")
        repo.tags[name] = call.store.commit(repo, call.args["rev"]).oid
    return Response.of({}, 201)


def delete_tag(call: Call) -> Response:
    """Forget the tag."""
    with call.store.edit(call.repo.kind, call.repo.id) as repo:
        if repo.tags.pop(call.args["rev"], None) is None:
            raise errors.revision_not_found(call.args["rev"])
    return Response.of({})


def squash(call: Call) -> Response:
    """A branch as one commit without parents."""
    with call.store.edit(call.repo.kind, call.repo.id) as repo:
        head = call.store.commit(repo, call.args["branch"])
        title = str(call.request.json.get("message") or f"Super-squash branch {call.args['branch']!r}")
        commit = call.store.add_commit(repo, head.tree, (), title=title, message="", author=call.login)
        repo.branches[call.args["branch"]] = commit.oid
    return Response.of({})
