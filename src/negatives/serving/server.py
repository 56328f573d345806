"""Runs the application until it is told to stop."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn

from negatives.answering import Run
from negatives.errors import ConfigError, InputError, NegativesError
from negatives.runs.opening import opened
from negatives.serving.app import make_app

BACKLOG = 128
"""Connections that may wait to be taken."""
PATIENCE = 5
"""Seconds in which requests that are being answered may end when the server stops."""


class Server(uvicorn.Server):
    """A server that stops quietly at the first signal, and at once at the second.

    Args:
        config: Of uvicorn.
        ready: Called once requests are answered and signals are heard.
    """

    def __init__(self, config: uvicorn.Config, ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop, kinds = asyncio.get_running_loop(), (signal.SIGINT, signal.SIGTERM)
        for kind in kinds:
            loop.add_signal_handler(kind, self.handle_exit, kind, None)
        try:
            yield
        finally:
            for kind in kinds:
                loop.remove_signal_handler(kind)


def named(paths: Sequence[Path]) -> dict[str, Run]:
    """Runs by the names of their folders.

    Raises:
        ConfigError: Two have the same name.
        InputError: One is no finished run.
    """
    found: dict[str, Run] = {}
    for path in paths:
        name = path.resolve().name
        if name in found:
            raise ConfigError(f"two runs are called {name}; rename one of the folders")
        found[name] = opened(path)
    return found


def warm(run: Run) -> None:
    """Ask once, so that the first to ask need not wait for kernels, and for a model, to load."""
    form = run.forms[0]
    names = run.held.names
    needed = [one for one in form.fields if not one.optional]
    values = {one.name: names[one.kind or ""][0] if one.kind in names else "the" for one in needed}
    with suppress(NegativesError):
        run.ask([{name: [value] if form.field(name).many else value for name, value in values.items()}], k=1)


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens; it names its protocol, for only then asyncio sends small answers at once.

    Raises:
        ConfigError: The port is no port.
        InputError: It is in use, or the address is not this machine's.
    """
    if not 0 <= port < 1 << 16:
        raise ConfigError(f"--port {port}: give a number up to 65535, or 0 for any that is free")
    found = None
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, proto=socket.IPPROTO_TCP)[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(place)
        found.listen(BACKLOG)
        return found
    except OSError as error:
        if found is not None:
            found.close()
        if error.errno == errno.EADDRINUSE:
            hint = "choose another with --port, or 0 for any that is free"
            raise InputError(f"port {port} of {host} is in use", hint=hint) from None
        hint = "choose another port" if error.errno == errno.EACCES else "give an address of this machine to --host"
        raise InputError(f"cannot listen at {host}, port {port} ({error.strerror})", hint=hint) from None


def address(listening: socket.socket) -> str:
    """The address as a browser wants it."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def serve(
    runs: Mapping[str, Run],
    listening: socket.socket,
    names: Sequence[str] = (),
    ready: Callable[[str], object] = print,
) -> None:
    """Answer requests until a signal comes.

    Args:
        runs: By name.
        listening: What :func:`bind` gave.
        names: Further names that requests may call the server.
        ready: Is told the address once requests are answered.
    """
    app = make_app(runs, listening.getsockname()[0], names)
    for run in runs.values():
        warm(run)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=PATIENCE, server_header=False
    )
    asyncio.run(Server(config, lambda: ready(address(listening))).serve(sockets=[listening]))
