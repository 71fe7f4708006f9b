"""The connection to the Hub: the one place where its client is made."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from huggingface_hub import HfApi, constants, get_token
from huggingface_hub.file_download import repo_folder_name

from hubslice.core.errors import InputError
from hubslice.hub.secret import masked
from hubslice.hub.session import install

LOGIN = "log in with a token of https://huggingface.co/settings/tokens: hf auth login"


@dataclass(frozen=True)
class Client:
    """Which Hub, as whom, with which cache.

    What is None comes from the environment: HF_ENDPOINT; HF_TOKEN or the login; HF_HUB_CACHE.

    Raises:
        InputError: the token is not one line of printable characters, or the endpoint not the plain address of a Hub.
    """

    endpoint: str | None = None
    token: str | None = field(default=None, repr=False)
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        # An HTTP library that is given such a token prints it in its complaint.
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
        """The address of the Hub, without a slash at its end."""
        return self.api.endpoint

    @property
    def offline(self) -> bool:
        """Whether HF_HUB_OFFLINE forbids the network."""
        return constants.is_offline_mode()

    @property
    def headers(self) -> dict[str, str]:
        """Who asks, for a request of our own; holds the token, so never print it."""
        token = self.login_token
        return {"Authorization": f"Bearer {token}"} if token else {}

    def cache(self, repo_id: str) -> Path:
        """The folder in the cache that belongs to a model repository, which need not exist."""
        root = self.cache_dir or Path(constants.HF_HUB_CACHE)
        return root.expanduser() / repo_folder_name(repo_id=repo_id, repo_type="model")

    def without_token(self, text: str) -> str:
        """The text with every token that is in there blotted out."""
        return masked(text.replace(self.login_token, "***") if self.login_token else text)

    @property
    def login_token(self) -> str | None:
        """The token that requests carry, so never print it; None: anonymous."""
        return self.token or get_token()
