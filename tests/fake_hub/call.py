"""What every handler gets, and how it answers with a long list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

from tests.fake_hub import access
from tests.fake_hub.access import User
from tests.fake_hub.records import Commit, Repo
from tests.fake_hub.store import Store
from tests.fake_hub.wire import Request, Response
from tests.fake_hub.xet.storage import XetStorage


@dataclass(frozen=True)
class Call:
    """A request that passed the access check of its route.

    Attributes:
        url: the address of the server, without a slash at the end.
        secret: key of the signatures in upload addresses.
        xet: the storage of large files.
        args: the parts of the path that the route names, unquoted.
        found: the repo; None for routes that concern none.
    """

    store: Store
    url: str
    secret: bytes
    xet: XetStorage
    request: Request
    user: User | None
    args: Mapping[str, str]
    found: Repo | None

    @property
    def repo(self) -> Repo:
        """The repo of a route that names one."""
        return cast(Repo, self.found)

    @property
    def login(self) -> str:
        """The name of the user, who is known on this route."""
        return access.check_user(self.user).name

    @property
    def repo_url(self) -> str:
        return f"{self.url}/{self.repo.prefix}{self.repo.id}"

    def commit(self) -> Commit:
        """The commit that `{rev}` in the path names, `main` where there is none."""
        return self.store.commit(self.repo, self.args.get("rev", "main"))

    def paged(self, rows: list[Any], size: int) -> Response:
        """One page of rows (or the client's `limit`), with a `Link` to the next one if there is more."""
        start = int(self.request.argument("cursor", "0"))
        size = min(size, int(self.request.argument("limit", str(size))))
        headers = {}
        if start + size < len(rows):
            query = urlencode(self.request.query | {"cursor": [str(start + size)]}, doseq=True)
            headers["Link"] = f'<{self.url}{self.request.raw_path}?{query}>; rel="next"'
        return Response.of(rows[start : start + size], headers=headers)
