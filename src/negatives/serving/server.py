"""Runs the application until it is told to stop."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from negatives.answering import Run
from negatives.errors import ConfigError, InputError
from negatives.runs.opening import opened
from negatives.serving.app import make_app

PATIENCE = 5
"""Seconds in which requests that are being answered may end when the server stops."""


class Server(uvicorn.Server):
    """A server that stops quietly at the first signal, and at once at the second."""

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


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        ConfigError: The port is no port.
        InputError: It is in use, or the address is not this machine's.
    """
    if not 0 <= port < 1 << 16:
        raise ConfigError(f"--port {port}: give a number up to 65535, or 0 for any that is free")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
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
    host: str = "127.0.0.1",
    port: int = 8000,
    names: Sequence[str] = (),
    ready: Callable[[str], object] = print,
) -> None:
    """Answer requests until a signal comes.

    Args:
        runs: By name.
        host: Address to listen at.
        port: Port; 0 for any that is free.
        names: Further names that requests may call the server.
        ready: Is told the address once requests are taken.

    Raises:
        ConfigError: The port is no port.
        InputError: It is in use, or the address is not this machine's.
    """
    with bind(host, port) as listening:
        app = make_app(runs, host, names)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=PATIENCE, server_header=False
        )
        ready(address(listening))
        asyncio.run(Server(config).serve(sockets=[listening]))
