"""Things that go wrong on purpose: a request that a fault matches is answered late, wrongly or not at all."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from tests.fake_hub.errors import HubError
from tests.fake_hub.wire import Request, Response

_lock = threading.Lock()


def on(method: str, path: str) -> Callable[[Request], bool]:
    """A predicate: the request has this method (`*`: any) and the regular expression is found in its path."""
    return lambda request: method in ("*", request.method) and re.search(path, request.path) is not None


@dataclass
class Fault:
    """What goes wrong, for which requests, and how often.

    Attributes:
        when: which requests, see `on`.
        status: answer with this status, without handling the request.
        said: the message beside the status, to which that is added.
        done: handle the request, then answer with `status`.
        retry_after: seconds or a date, sent as `Retry-After` beside the status.
        redirect: send the client to this address (and `headers`), without handling the request.
        delay: seconds to wait before anything else.
        headers: handle the request, then send these headers in place of the right ones (None: leave it out).
        body: handle the request, then send these bytes in place of the right body, under the right headers.
        cut_after: handle the request, then close the connection after so many bytes of the body.
        trickle: handle the request, then send the body in eight pieces, with so many seconds before each.
        lost: handle the request, then close the connection without a byte of an answer.
        times: how many requests are hit; None: all.
        hits: how many were hit so far.
    """

    when: Callable[[Request], bool]
    status: int | None = None
    said: str = "Injected fault"
    done: bool = False
    retry_after: int | str | None = None
    redirect: str | None = None
    delay: float = 0.0
    headers: Mapping[str, str | None] = field(default_factory=dict)
    body: bytes | None = None
    cut_after: int | None = None
    trickle: float = 0.0
    lost: bool = False
    times: int | None = 1
    hits: int = field(default=0, init=False)

    def take(self, request: Request) -> bool:
        """Whether this request is hit; counts it."""
        if not self.when(request):
            return False
        with _lock:
            if self.times is not None and self.hits >= self.times:
                return False
            self.hits += 1
            return True


def handle(faults: Iterable[Fault], request: Request, handler: Callable[[Request], Response]) -> Response | None:
    """The answer of the handler, bent by the first fault that hits; None: close the connection without one."""
    fault = next((each for each in list(faults) if each.take(request)), None)
    if fault is None:
        return handler(request)
    time.sleep(fault.delay)
    if fault.status is not None:
        if fault.done:
            handler(request)
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        return Response.refusal(HubError(fault.status, "Fault", f"{fault.said} {fault.status}", headers=headers))
    if fault.redirect is not None:
        return Response(302, headers={"Location": fault.redirect} | _given(fault.headers))
    response = handler(request)
    if fault.lost:
        return None
    response.headers = _given(response.headers | dict(fault.headers))
    if fault.body is not None and request.method != "HEAD":
        response.body = fault.body
    response.cut_after, response.trickle = fault.cut_after, fault.trickle
    return response


def _given(headers: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if value is not None}
