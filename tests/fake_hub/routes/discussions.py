"""Discussions and pull requests."""

from __future__ import annotations

from typing import Any

from tests.fake_hub import access, changes, errors
from tests.fake_hub.call import Call
from tests.fake_hub.records import Commit, Discussion, Repo, now
from tests.fake_hub.wire import Response

PAGE = 10


def open_pull_request(
    repo: Repo, title: str, text: str, *, author: str, status: str, base: str, start: str
) -> Discussion:
    """A new pull request against a branch, with a ref of its own at the commit it starts from."""
    pull = _open(repo, title, text, author=author, status=status)
    pull.base, pull.base_commit = base, start
    repo.pulls[pull.ref] = start
    return pull


def move(repo: Repo, ref: str, commit: Commit) -> None:
    """Point a branch or pull request to a new commit; a pull request records it."""
    if ref in repo.pulls:
        repo.pulls[ref] = commit.oid
        pull = next(each for each in repo.discussions if each.ref == ref)
        _record(pull, "commit", commit.author, {"subject": commit.title, "oid": commit.oid})
    else:
        repo.branches[ref] = commit.oid


def listing(call: Call) -> Response:
    """One page of them, newest first, filtered by type, status and author."""
    kind, status = call.request.argument("type", "all"), call.request.argument("status", "all")
    author = call.request.argument("author")
    rows = [
        _summary(call.repo, each)
        for each in reversed(call.repo.discussions)
        if kind in ("all", "pull_request" if each.is_pull_request else "discussion")
        and status in ("all", "open" if each.status in ("open", "draft") else "closed")
        and author in ("", each.author)
    ]
    start = int(call.request.argument("p", "0")) * PAGE
    return Response.of({"count": len(rows), "start": start, "discussions": rows[start : start + PAGE]})


def create(call: Call) -> Response:
    """The number of a new discussion, or of a new draft pull request against `main`."""
    data = call.request.json
    title, text = str(data.get("title", "")), str(data.get("description", ""))
    if len(title) < 3:
        raise errors.bad_request("The title must have at least 3 characters")
    with call.store.edit(call.repo.kind, call.repo.id) as repo:
        if data.get("pullRequest"):
            start = call.store.commit(repo, "main").oid
            made = open_pull_request(repo, title, text, author=call.login, status="draft", base="main", start=start)
        else:
            made = _open(repo, title, text, author=call.login, status="open")
    return Response.of({"num": made.num, "url": f"{call.repo_url}/discussions/{made.num}"})


def show(call: Call) -> Response:
    """All about one of them; of a pull request also its conflicts and the files it changes."""
    found = _find(call, call.repo)
    details = _summary(call.repo, found) | {"events": found.events, "diff": None, "changes": None}
    if found.is_pull_request:
        base, ours, theirs = _sides(call, call.repo, found)
        details["changes"] = {"base": found.base, "mergeCommitId": found.merge_commit}
        merged = found.status == "merged"
        details["filesWithConflicts"] = [] if merged else changes.merge(base.tree, ours.tree, theirs.tree)[1]
        paths = sorted(changes.changed(base.tree, theirs.tree))
        details["diff"] = "".join(f"diff --git a/{path} b/{path}\n" for path in paths)
    return Response.of(details)


def comment(call: Call) -> Response:
    """The event of a new comment."""
    with call.store.edit(call.repo.kind, call.repo.id) as repo:
        event = _comment(_find(call, repo), call.login, str(call.request.json.get("comment", "")))
    return Response.of({"newMessage": event})


def rename(call: Call) -> Response:
    """The event of a new title."""
    title = str(call.request.json.get("title", ""))
    with call.store.edit(call.repo.kind, call.repo.id) as repo:
        found = _allowed(call, repo)
        event = _record(found, "title-change", call.login, {"from": found.title, "to": title})
        found.title = title
    return Response.of({"newTitle": event})


def change_status(call: Call) -> Response:
    """The event of opening or closing it."""
    status = call.request.json.get("status")
    if status not in ("open", "closed"):
        raise errors.bad_request('"status" must be one of "open", "closed"')
    with call.store.edit(call.repo.kind, call.repo.id) as repo:
        found = _allowed(call, repo)
        if found.status == "merged":
            raise errors.bad_request("The pull request is merged")
        event = _set_status(found, call.login, status)
        text = call.request.json.get("comment")
        if text:
            _comment(found, call.login, str(text))
    return Response.of({"newStatus": event})


def merge(call: Call) -> Response:
    """Bring the changes of an open pull request onto its branch, in one commit with two parents."""
    with call.store.edit(call.repo.kind, call.repo.id) as repo:
        pull = _find(call, repo)
        if not pull.is_pull_request or pull.base is None or pull.status != "open":
            raise errors.bad_request(f"Only an open pull request can be merged; number {pull.num} is {pull.status}")
        base, ours, theirs = _sides(call, repo, pull)
        tree, conflicts = changes.merge(base.tree, ours.tree, theirs.tree)
        if conflicts:
            raise errors.conflict(f"The pull request conflicts with {pull.base} in {', '.join(conflicts)}")
        title = f"{pull.title} (#{pull.num})"
        parents = (ours.oid, theirs.oid)
        made = call.store.add_commit(repo, tree, parents, title=title, message="", author=call.login)
        repo.branches[pull.base] = pull.merge_commit = made.oid
        text = call.request.json.get("comment")
        if text:
            _comment(pull, call.login, str(text))
        event = _set_status(pull, call.login, "merged")
    return Response.of({"newStatus": event, "mergeCommitId": made.oid})


def _open(repo: Repo, title: str, text: str, *, author: str, status: str) -> Discussion:
    made = Discussion(len(repo.discussions) + 1, title, author, now(), status)
    repo.discussions.append(made)
    _comment(made, author, text)
    return made


def _record(discussion: Discussion, kind: str, author: str, data: dict[str, Any]) -> dict[str, Any]:
    number = len(discussion.events) + 1
    event = {"id": f"{discussion.num:08x}{number:016x}", "type": kind, "createdAt": now(), "author": {"name": author}}
    discussion.events.append(event | {"data": data})
    return discussion.events[-1]


def _comment(discussion: Discussion, author: str, text: str) -> dict[str, Any]:
    latest = {"raw": text, "html": text, "updatedAt": now(), "author": {"name": author}}
    return _record(
        discussion, "comment", author, {"edited": False, "hidden": False, "latest": latest, "history": [latest]}
    )


def _set_status(discussion: Discussion, author: str, status: str) -> dict[str, Any]:
    discussion.status = status
    return _record(discussion, "status-change", author, {"status": status})


def _find(call: Call, repo: Repo) -> Discussion:
    number = int(call.args["num"])
    found = next((each for each in repo.discussions if each.num == number), None)
    if found is None:
        raise errors.HubError(404, "DiscussionNotFound", f"No discussion {number}")
    return found


def _allowed(call: Call, repo: Repo) -> Discussion:
    """The discussion, for its author and for those who may write to the repo."""
    found = _find(call, repo)
    if found.author != call.login:
        access.check(call.user, repo, access.Access.WRITE)
    return found


def _sides(call: Call, repo: Repo, pull: Discussion) -> tuple[Commit, Commit, Commit]:
    """Where a pull request started, the head of its branch, its own head."""
    names = (pull.base_commit or "", pull.base or "", pull.ref)
    base, ours, theirs = (call.store.commit(repo, name) for name in names)
    return base, ours, theirs


def _summary(repo: Repo, discussion: Discussion) -> dict[str, Any]:
    return {
        "num": discussion.num,
        "title": discussion.title,
        "status": discussion.status,
        "author": {"name": discussion.author, "type": "user"},
        "createdAt": discussion.created,
        "isPullRequest": discussion.is_pull_request,
        "repo": {"name": repo.id, "type": repo.kind.removesuffix("s")},
        "numComments": sum(event["type"] == "comment" for event in discussion.events),
    }
