"""Use the proxies of the environment per request, and report unusable ones only when they are needed.

httpx creates all proxies with the client. One that it cannot use, such as a SOCKS proxy without the required package,
then makes every request fail with an ImportError or a ValueError, even those to a host excluded by NO_PROXY.
"""

from __future__ import annotations

import os
import re
from importlib import import_module
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from huggingface_hub import errors as hf

# The httpx version that the installed huggingface_hub uses.
_httpx: Any = import_module(hf.HTTPError.__module__.partition(".")[0])  # type: ignore[attr-defined]

UNUSABLE: tuple[type[Exception], ...] = (ImportError, ValueError, _httpx.InvalidURL)  # what httpx raises for a proxy
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_SOCKS = ("socks5", "socks5h")


class ProxyUnusable(_httpx.ProxyError):
    """The environment sets a proxy that cannot be used; `hint` says how to fix it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Proxy(NamedTuple):
    """A proxy: the variable that sets it, and its URL, which may contain a login."""

    variable: str
    address: str

    def __str__(self) -> str:
        """Return the variable and the URL without the login."""
        scheme = _SCHEME.match(self.address)
        rest = self.address[scheme.end() if scheme else 0 :]  # a password may contain :// itself
        return f"{self.variable} ({scheme[0] if scheme else ''}{rest.rpartition('@')[2]})"


def proxy_of(url: str) -> Proxy | None:
    """Return the environment's proxy for this URL; None if there is none or NO_PROXY excludes the host."""
    where, named = urlsplit(url), getproxies()
    host = where.hostname or ""
    if proxy_bypass(host) or proxy_bypass(f"{host}:{where.port or ''}"):
        return None
    for kind in (where.scheme, "all"):
        if address := named.get(kind):
            return Proxy(_variable(f"{kind}_proxy", address), address)
    return None


class ByProxy(_httpx.BaseTransport):
    """A transport that sends each request through its proxy; transports are created on demand."""

    def __init__(self) -> None:
        self._ways: dict[str | None, Any] = {}

    def handle_request(self, request: Any) -> Any:
        """Send the request and return the response.

        Raises:
            ProxyUnusable: the proxy for this request cannot be used.
        """
        proxy = proxy_of(str(request.url))
        address = proxy.address if proxy else None
        if address not in self._ways:
            self._ways[address] = _way(proxy)
        return self._ways[address].handle_request(request)

    def close(self) -> None:
        """Close all connections."""
        for way in self._ways.values():
            way.close()


def _way(proxy: Proxy | None) -> Any:
    if proxy is None:
        return _httpx.HTTPTransport()
    try:
        address = proxy.address if "://" in proxy.address else f"http://{proxy.address}"
        return _httpx.HTTPTransport(proxy=_httpx.Proxy(address))
    except UNUSABLE as error:
        raise _unusable(proxy, error) from error


def _unusable(proxy: Proxy, error: Exception) -> ProxyUnusable:
    install = f'pip install "{_httpx.__name__}[socks]"'
    otherwise = f"or unset {proxy.variable}; NO_PROXY excepts hosts"
    scheme = proxy.address.partition("://")[0].lower()
    if scheme in _SOCKS and isinstance(error, ImportError):
        return ProxyUnusable(
            f"the proxy of {proxy} is a SOCKS proxy, which needs the package socksio", f"{install}, {otherwise}"
        )
    if scheme.startswith("socks"):
        return ProxyUnusable(
            f"the proxy of {proxy} is of the kind {scheme}://, which the client of the Hub does not know",
            f"write socks5:// (which needs {install}), {otherwise}",
        )
    return ProxyUnusable(
        f"the proxy of {proxy} cannot be used: it is not an address of the form http://host:port",
        f"mend {proxy.variable}, {otherwise}",
    )


def _variable(name: str, address: str) -> str:
    """Return the name of the variable: lower case takes precedence, as for all programs that read these variables."""
    spelled = [name, name.upper(), *(each for each in os.environ if each.lower() == name)]
    return next((each for each in spelled if os.environ.get(each) == address), name.upper())
