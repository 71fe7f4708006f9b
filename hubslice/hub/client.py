"""The Hugging Face Hub through huggingface_hub: the only module that creates its client."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    constants,
    get_session,
    get_token,
    hf_hub_url,
    hf_raise_for_status,
)
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils.tqdm import tqdm

from hubslice.core.errors import InputError
from hubslice.hub.http_ranges import read_over_http
from hubslice.hub.hub import LOGIN, Change, Commit, Login, Part, Repository
from hubslice.hub.model_info import is_commit, repository
from hubslice.hub.secret import masked
from hubslice.hub.session import install

# Otherwise a .gitignore in the repository would silently exclude files from the commit.
_IGNORE_NOTHING: Final = "# all files of the plan are pushed\n"


@dataclass(frozen=True)
class Client:
    """Endpoint, login and cache of the Hub; the methods are described in `hubslice.hub.hub.Hub`.

    Fields that are None come from the environment: HF_ENDPOINT; HF_TOKEN or the login; HF_HUB_CACHE.

    Raises:
        InputError: the token is not one line of printable characters, or the endpoint is not the plain URL of a Hub.
    """

    endpoint: str | None = None
    token: str | None = field(default=None, repr=False)
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        # The HTTP library would print an invalid token in its error message.
        token = self.login_token
        if token is not None and not re.fullmatch(r"[!-~]+", token):
            raise InputError("the token is not one word of printable characters", hint=LOGIN)
        where = urlsplit(self.url)
        if where.username is not None or where.password is not None:
            raise InputError(
                f"the address of the Hub holds a login ({masked(self.url)}), which would end up in messages and cards",
                hint="set HF_ENDPOINT without it, and the token as HF_TOKEN or with hf auth login",
            )
        if where.scheme not in ("http", "https") or not where.hostname:
            raise InputError(
                f"{self.url!r} is not the address of a Hub", hint="set HF_ENDPOINT to https://..., or unset it"
            )
        install()

    @cached_property
    def api(self) -> HfApi:
        """The client of huggingface_hub."""
        return HfApi(endpoint=self.endpoint, token=self.token, library_name="hubslice")

    @property
    def url(self) -> str:
        """The URL of the Hub, without a trailing slash."""
        return self.api.endpoint

    @property
    def offline(self) -> bool:
        """Whether HF_HUB_OFFLINE disables the network."""
        return constants.is_offline_mode()

    @property
    def headers(self) -> dict[str, str]:
        """Headers with the login, for hubslice's own requests; they contain the token, so never print them."""
        token = self.login_token
        return {"Authorization": f"Bearer {token}"} if token else {}

    def cache(self, repo_id: str) -> Path:
        """Return the cache folder of a model repository, which need not exist."""
        root = self.cache_dir or Path(constants.HF_HUB_CACHE)
        return root.expanduser() / repo_folder_name(repo_id=repo_id, repo_type="model")

    def without_token(self, text: str) -> str:
        """Mask all tokens in the text."""
        return masked(text.replace(self.login_token, "***") if self.login_token else text)

    @property
    def login_token(self) -> str | None:
        """The token sent with requests, so never print it; None if anonymous."""
        return self.token or get_token()

    def ready(self) -> None:
        get_session()  # created once here: threads would race for it

    def info(self, repo_id: str, revision: str | None) -> Repository:
        wait = constants.HF_HUB_DOWNLOAD_TIMEOUT
        return repository(self.api.model_info(repo_id, revision=revision, files_metadata=True, timeout=wait), repo_id)

    def revisions(self, repo_id: str) -> list[str]:
        refs = self.api.list_repo_refs(repo_id, include_pull_requests=True)
        names = [str(each.name) for each in (*refs.branches, *refs.tags)]
        return names + [str(each.ref) for each in refs.pull_requests or []]

    def download(self, repo_id: str, path: str, commit: str, *, force: bool, told: Callable[[int], None]) -> Path:
        class Relay(tqdm):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **{**kwargs, "disable": True})

            def update(self, n: float | None = 1) -> bool | None:
                told(int(n or 0))
                return None

            def update_transfer(self, n: float) -> None:
                """Ignore Xet's compressed transfer sizes; `update` counts the file's bytes.

                Otherwise there would be two bars.
                """

            def set_transfer_postfix_str(self, *args: Any, **kwargs: Any) -> None:
                """Ignore the transfer speed."""

        found = self.api.hf_hub_download(
            repo_id, path, revision=commit, cache_dir=self.cache_dir, force_download=force, tqdm_class=Relay
        )
        return Path(found)

    def to_download(self, repo_id: str, path: str, commit: str) -> int:
        found = self.api.hf_hub_download(repo_id, path, revision=commit, cache_dir=self.cache_dir, dry_run=True)
        return (found.file_size or 0) if found.will_download else 0

    def read(
        self, repo_id: str, path: str, commit: str, start: int, stop: int, *, size: int | None, skip: int | None
    ) -> Part:
        url = hf_hub_url(repo_id, path, revision=commit, endpoint=self.url)
        name = f"{path} of {repo_id}@{commit[:12]}"
        return read_over_http(url, self.headers, start, stop, size=size, skip=skip, name=name)

    def login(self, *, patience: float | None = None) -> Login:
        wait = patience or constants.HF_HUB_DOWNLOAD_TIMEOUT
        answer = get_session().get(f"{self.url}/api/whoami-v2", headers=self.headers, timeout=wait)
        hf_raise_for_status(answer)
        me = answer.json()
        role = me.get("auth", {}).get("accessToken", {}).get("role", "unknown")
        return Login(me["name"], tuple(org["name"] for org in me.get("orgs", ())), role)

    def check_write(self, repo_id: str) -> None:
        self.api.auth_check(repo_id, write=True)

    def check_card(self, text: str) -> tuple[list[str], list[str]]:
        response = get_session().post(
            f"{self.url}/api/validate-yaml", json={"content": text, "repoType": "model"}, headers=self.headers
        )
        if response.status_code != 400:
            hf_raise_for_status(response)
        said = response.json()
        faults = [str(each["message"]) for each in said.get("errors", ())]
        found = [str(each["message"]) for each in said.get("warnings", ())]
        if response.status_code == 400 and not faults:
            hf_raise_for_status(response)
        return faults, found

    def create(self, repo_id: str, *, private: bool) -> None:
        self.api.create_repo(repo_id, private=private, exist_ok=False)

    def upload(self, change: Change) -> Callable[[], Commit]:
        added = [
            CommitOperationAdd(path_in_repo=path, path_or_fileobj=content)
            for path, content in change.files.items()
            if content is not None
        ]
        deleted = [
            CommitOperationDelete(path_in_repo=path, is_folder=False)
            for path, content in change.files.items()
            if content is None
        ]
        where: dict[str, Any] = {"revision": change.revision, "create_pr": change.create_pr}

        def commit() -> Commit:
            with warnings.catch_warnings(action="ignore"):
                made = self.api.create_commit(
                    change.repo_id,
                    [*added, *deleted],
                    commit_message=change.message,
                    parent_commit=change.parent,
                    **where,
                )
            if not is_commit(made.oid):
                raise ValueError(f"the new commit is called {made.oid!r}")
            return Commit(made.oid, made.commit_url, made.pr_url)

        # About the card, which the plan has already shown, and about huggingface_hub's own HTTP library.
        with warnings.catch_warnings(action="ignore"):
            self.api.preupload_lfs_files(
                change.repo_id, added, free_memory=False, gitignore_content=_IGNORE_NOTHING, **where
            )
        return commit
