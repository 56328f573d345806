"""What every request must pass: the address it names, its size, its type; and what every answer says to browsers."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from negatives.serving.bodies import MOST_BYTES

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

WAITING = 64
"""Requests that may wait at a time; more are sent away."""
LOCAL = ("localhost", "127.0.0.1", "::1")
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


def host_of(header: str) -> str:
    """The host that a request names, without its port.

    >>> host_of("localhost:8000"), host_of("[::1]:8000"), host_of("example.org")
    ('localhost', '::1', 'example.org')
    """
    header = header.strip().lower()
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]


def allowed(host: str, bound: str, names: Sequence[str] = ()) -> bool:
    """Whether a request may name a host, so that no page elsewhere reaches the server under a name of its own.

    Args:
        host: What the request names.
        bound: The address that the server listens at.
        names: Further names that it goes by.

    >>> allowed("localhost", "127.0.0.1"), allowed("evil.example", "127.0.0.1"), allowed("10.0.0.5", "0.0.0.0")
    (True, False, True)
    """
    if host in (*LOCAL, bound.lower(), *(name.lower() for name in names)):
        return True
    if bound in LOCAL:
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == socket.gethostname().lower()
    return True


class Guard:
    """Sends away what names another host, is too large, is no JSON, or comes while too many wait.

    Args:
        app: What answers the rest.
        bound: The address that the server listens at.
        names: Further names that it goes by.
    """

    def __init__(self, app: ASGIApp, bound: str = "127.0.0.1", names: Sequence[str] = ()) -> None:
        self._app, self._bound, self._names, self._waiting = app, bound, names, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(one for one in HEADERS if one[0] not in given)]
            await send(message)

        if (refusal := self._refusal(scope)) is not None:
            await refusal(scope, receive, answered)
            return
        self._waiting += 1
        try:
            await self._app(scope, receive, answered)
        finally:
            self._waiting -= 1

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host = host_of(headers.get("host", ""))
        if not allowed(host, self._bound, self._names):
            return refused(400, f"this server is not called {host!r}; start it with --allow {host} if it should be")
        if self._waiting >= WAITING:
            return refused(503, "too many requests at a time; try again")
        if scope["method"] == "POST":
            length = headers.get("content-length", "")
            if length.isdigit() and int(length) > MOST_BYTES:
                return refused(413, TOO_LARGE)
            if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                return refused(415, "send JSON, with the header Content-Type: application/json")
        return None


TOO_LARGE = f"the body has more than {MOST_BYTES:,} bytes; ask in parts"


def refused(status: int, sentence: str) -> JSONResponse:
    """An answer that says in one sentence what is wrong."""
    return JSONResponse({"error": sentence}, status)
