"""The proxies that the environment names, each used where it is needed and complained of there.

httpx makes all of them when a client is made. One that it cannot use, such as a SOCKS proxy without the package for it,
then fails every request with an ImportError or a ValueError, even those to a host that NO_PROXY excepts.
"""

from __future__ import annotations

import os
import re
from importlib import import_module
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from huggingface_hub import errors as hf

# Whichever httpx the installed huggingface_hub speaks.
_httpx: Any = import_module(hf.HTTPError.__module__.partition(".")[0])  # type: ignore[attr-defined]

UNUSABLE: tuple[type[Exception], ...] = (ImportError, ValueError, _httpx.InvalidURL)  # what httpx raises of a proxy
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_SOCKS = ("socks5", "socks5h")


class ProxyUnusable(_httpx.ProxyError):
    """The environment names a proxy that cannot be used; `hint` tells what mends it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Proxy(NamedTuple):
    """A proxy: the variable that names it, and its address, which may hold a login."""

    variable: str
    address: str

    def __str__(self) -> str:
        """The variable and the address, without the login."""
        scheme = _SCHEME.match(self.address)
        rest = self.address[scheme.end() if scheme else 0 :]  # a password may hold :// itself
        return f"{self.variable} ({scheme[0] if scheme else ''}{rest.rpartition('@')[2]})"


def proxy_of(url: str) -> Proxy | None:
    """The proxy that the environment wants for this address; None: none, or NO_PROXY excepts the host."""
    where, named = urlsplit(url), getproxies()
    host = where.hostname or ""
    if proxy_bypass(host) or proxy_bypass(f"{host}:{where.port or ''}"):
        return None
    for kind in (where.scheme, "all"):
        if address := named.get(kind):
            return Proxy(_variable(f"{kind}_proxy", address), address)
    return None


class ByProxy(_httpx.BaseTransport):
    """Sends each request by the proxy that is meant for it; made only when a request needs it."""

    def __init__(self) -> None:
        self._ways: dict[str | None, Any] = {}

    def handle_request(self, request: Any) -> Any:
        """The answer.

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
    """What the environment calls it: the small letters come first, as for all that read these variables."""
    spelled = [name, name.upper(), *(each for each in os.environ if each.lower() == name)]
    return next((each for each in spelled if os.environ.get(each) == address), name.upper())
