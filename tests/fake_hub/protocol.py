"""The routes of the Hub: method, path, what it takes to get there, handler."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote

from tests.fake_hub import access, errors
from tests.fake_hub.access import Access, User
from tests.fake_hub.call import Call
from tests.fake_hub.routes import account, commits, contents, discussions, files, info, lfs, refs, repos, xet
from tests.fake_hub.store import Store
from tests.fake_hub.wire import Request, Response
from tests.fake_hub.xet.storage import XetStorage

REPO = "/api/{kind}/{id}"
CAS = "/cas/{key}"  # has tokens of its own
_PARTS = {"kind": "models|datasets|spaces", "id": "[^/]+/[^/]+?", "path": ".+", "num": r"\d+", "size": r"\d+"}


@dataclass(frozen=True)
class Route:
    """One line of the protocol; `{name}` in the path is one segment (`{id}` two, `{path}` the rest)."""

    method: str
    path: str
    level: Access
    handler: Callable[[Call], Response]
    kind: str | None = None

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        pieces = re.split(r"\{(\w+)\}", self.path)
        for index in range(1, len(pieces), 2):
            pieces[index] = f"(?P<{pieces[index]}>{_PARTS.get(pieces[index], '[^/]+')})"
        return re.compile("".join(re.escape(p) if not i % 2 else p for i, p in enumerate(pieces)))

    def match(self, request: Request) -> dict[str, str] | None:
        """The named parts of the path, unquoted; None if the route is another one."""
        if self.method != ("GET" if request.method == "HEAD" else request.method):
            return None
        found = self.pattern.fullmatch(request.raw_path)
        if found is None:
            return None
        return ({"kind": self.kind} if self.kind else {}) | {k: unquote(v) for k, v in found.groupdict().items()}


def _file_routes() -> Iterator[Route]:
    """Routes whose path starts with the address of a repo, not with `/api`."""
    for kind, top in (("datasets", "/datasets/{id}"), ("spaces", "/spaces/{id}"), ("models", "/{id}")):
        yield Route("GET", top + "/resolve/{rev}/{path}", Access.READ, files.resolve, kind)
        yield Route("GET", top + "/raw/{rev}/{path}", Access.READ, files.resolve, kind)
        yield Route("POST", top + ".git/info/lfs/objects/batch", Access.PROPOSE, lfs.batch, kind)
        yield Route("POST", top + ".git/info/lfs/objects/verify", Access.PROPOSE, lfs.verify, kind)


ROUTES = (
    Route("GET", "/api/whoami-v2", Access.USER, account.whoami),
    Route("POST", "/api/validate-yaml", Access.ANYONE, account.validate_yaml),
    Route("POST", "/api/repos/create", Access.USER, repos.create),
    Route("DELETE", "/api/repos/delete", Access.ANYONE, repos.delete),
    Route("POST", "/api/repos/move", Access.ANYONE, repos.move),
    Route("PUT", "/lfs-upload/{oid}/{size}", Access.ANYONE, lfs.upload),
    Route("GET", "/api/{kind}", Access.ANYONE, info.listing),
    Route("GET", REPO, Access.SEE, info.show),
    Route("GET", REPO + "/revision/{rev}", Access.SEE, info.show),
    Route("PUT", REPO + "/settings", Access.WRITE, repos.settings),
    Route("POST", REPO + "/user-access-request/grant", Access.WRITE, repos.grant),
    Route("GET", REPO + "/auth-check", Access.READ, account.auth_check),
    Route("GET", REPO + "/auth-check/write", Access.WRITE, account.auth_check),
    Route("GET", REPO + "/tree/{rev}", Access.SEE, contents.tree),
    Route("GET", REPO + "/tree/{rev}/{path}", Access.SEE, contents.tree),
    Route("POST", REPO + "/paths-info/{rev}", Access.SEE, contents.paths_info),
    Route("GET", REPO + "/commits/{rev}", Access.SEE, contents.commits),
    Route("GET", REPO + "/refs", Access.SEE, refs.listing),
    Route("POST", REPO + "/branch/{branch}", Access.WRITE, refs.create_branch),
    Route("DELETE", REPO + "/branch/{branch}", Access.WRITE, refs.delete_branch),
    Route("POST", REPO + "/tag/{rev}", Access.WRITE, refs.create_tag),
    Route("DELETE", REPO + "/tag/{rev}", Access.WRITE, refs.delete_tag),
    Route("POST", REPO + "/super-squash/{branch}", Access.WRITE, refs.squash),
    Route("POST", REPO + "/preupload/{rev}", Access.PROPOSE, commits.preupload),
    Route("POST", REPO + "/commit/{rev}", Access.PROPOSE, commits.commit),
    Route("GET", REPO + "/discussions", Access.SEE, discussions.listing),
    Route("POST", REPO + "/discussions", Access.PROPOSE, discussions.create),
    Route("GET", REPO + "/discussions/{num}", Access.SEE, discussions.show),
    Route("POST", REPO + "/discussions/{num}/comment", Access.PROPOSE, discussions.comment),
    Route("POST", REPO + "/discussions/{num}/title", Access.PROPOSE, discussions.rename),
    Route("POST", REPO + "/discussions/{num}/status", Access.PROPOSE, discussions.change_status),
    Route("POST", REPO + "/discussions/{num}/merge", Access.WRITE, discussions.merge),
    Route("GET", REPO + "/xet-read-token/{rev}", Access.READ, xet.read_token),
    Route("GET", REPO + "/xet-write-token/{rev}", Access.PROPOSE, xet.write_token),
    Route("POST", CAS + "/v1/xorbs/default/{hash}", Access.ANYONE, xet.add_xorb),
    Route("POST", CAS + "/v1/shards", Access.ANYONE, xet.add_shard),
    Route("GET", CAS + "/v1/reconstructions/{hash}", Access.ANYONE, xet.reconstruction),
    Route("GET", CAS + "/xorbs/{hash}", Access.ANYONE, xet.xorb),
    *_file_routes(),
)


@dataclass(frozen=True)
class Protocol:
    """The Hub without its sockets: from a request to a response."""

    store: Store
    url: str
    secret: bytes
    tokens: Mapping[str, User]
    xet: XetStorage

    def answer(self, request: Request) -> Response:
        """The response; refusals are responses too, and so are faults of this server (500, traceback on stderr)."""
        try:
            return self._answer(request)
        except errors.HubError as error:
            return Response.refusal(error)
        except ConnectionError:
            raise
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            return Response.refusal(errors.HubError(500, "InternalError", repr(error)))

    def _answer(self, request: Request) -> Response:
        user = None if request.raw_path.startswith("/cas/") else self._user(request)
        for route in ROUTES:
            args = route.match(request)
            if args is None:
                continue
            repo = self.store.find(args["kind"], args["id"]) if "id" in args else None
            if route.level == Access.USER:
                access.check_user(user)
            if route.level >= Access.SEE:
                repo = access.check(user, repo, route.level)
            return route.handler(Call(self.store, self.url, self.secret, self.xet, request, user, args, repo))
        raise errors.HubError(404, "RouteNotFound", f"No route for {request.method} {request.path}")

    def _user(self, request: Request) -> User | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        if token not in self.tokens:
            # Clients take any other text of a 401 for a missing repo.
            raise errors.unauthorized("Invalid credentials in Authorization header")
        return self.tokens[token]
