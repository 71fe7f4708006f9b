"""The connection to the Hub: the one place where its client is made."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from huggingface_hub import HfApi, constants, get_token
from huggingface_hub.file_download import repo_folder_name

from hubslice.errors import InputError

LOGIN = "log in with a token of https://huggingface.co/settings/tokens: hf auth login"


@dataclass(frozen=True)
class Client:
    """Which Hub, as whom, with which cache.

    What is None comes from the environment: HF_ENDPOINT; HF_TOKEN or the login; HF_HUB_CACHE.

    Raises:
        InputError: the token is not one line of printable characters.
    """

    endpoint: str | None = None
    token: str | None = field(default=None, repr=False)
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        # An HTTP library that is given such a token prints it in its complaint.
        if self.token is not None and not re.fullmatch(r"[!-~]+", self.token):
            raise InputError("the token is not one word of printable characters", hint=LOGIN)

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
        token = self.token or get_token()
        return {"Authorization": f"Bearer {token}"} if token else {}

    def cache(self, repo_id: str) -> Path:
        """The folder in the cache that belongs to a model repository, which need not exist."""
        root = self.cache_dir or Path(constants.HF_HUB_CACHE)
        return root.expanduser() / repo_folder_name(repo_id=repo_id, repo_type="model")

    def without_token(self, text: str) -> str:
        """The text with the token, should it be in there, blotted out."""
        token = self.token or get_token()
        return text.replace(token, "***") if token else text
