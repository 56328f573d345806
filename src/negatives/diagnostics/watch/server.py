"""Serves the page to browsers on this machine and to nobody else."""

from __future__ import annotations

import errno
import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from urllib.parse import parse_qs, urlsplit

from negatives.diagnostics.report.page import rendered
from negatives.diagnostics.watch.follow import Follower
from negatives.diagnostics.watch.told import Told
from negatives.errors import ConfigError, InputError
from negatives.training.run_folder import plain

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
"""Names under which a browser may ask; a page of the net that had its own name resolved to this machine has another."""
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}


class Server(ThreadingHTTPServer):
    """A server of one run's page; two addresses are known, ``/`` and ``/changes``, and no path of the disk is read.

    Args:
        path: Folder of the run.
        port: Where to listen; 0 for any free port.

    Raises:
        ConfigError: The port is taken or may not be used.
        InputError: The path is a file, or a folder that holds something else than a run.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, path: Path, port: int = 0) -> None:
        if path.exists() and not path.is_dir():
            raise InputError("is a file, not a run folder", path=path, hint="give the folder of --out")
        follower = Follower(path)
        if path.is_dir() and any(path.iterdir()) and not follower.begun():
            raise InputError("holds no run", path=path, hint="give the folder of --out")
        if not 0 <= port < 1 << 16:
            raise ConfigError(f"--port {port} is no port; give a number up to {(1 << 16) - 1}, or 0 for any")
        self.told, self.turn = Told(follower), Lock()
        try:
            super().__init__((HOST, port), Handler)
        except OSError as error:
            reasons = {errno.EADDRINUSE: "is taken", errno.EACCES: "may not be used"}
            if error.errno not in reasons:
                raise
            raise ConfigError(f"--port {port} {reasons[error.errno]}; choose another, or 0 for any") from error

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_address[1]}/"


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        """Give the page or what is new."""
        asked = urlsplit(self.path)
        if self.headers.get("Host", "") not in {f"{name}:{self.server.server_address[1]}" for name in NAMES}:
            self._answer(HTTPStatus.FORBIDDEN, "text/plain", "ask for this machine by its own name")
        elif asked.path == "/":
            with self.server.turn:
                page = rendered(self.server.told.content(), live=True)
            self._answer(HTTPStatus.OK, "text/html", page)
        elif asked.path == "/changes":
            query = {name: values[-1] for name, values in parse_qs(asked.query).items()}
            with self.server.turn:
                told = self.server.told.changes(
                    _number(query.get("generation")), _number(query.get("after")), query.get("seen", "")
                )
            self._answer(HTTPStatus.OK, "application/json", json.dumps(plain(told), allow_nan=False))
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", "there is no such page")

    def _answer(self, status: HTTPStatus, kind: str, text: str) -> None:
        content = text.encode("utf-8")
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def handle(self) -> None:
        """Serve a connection; a browser that has gone is no fault."""
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def version_string(self) -> str:
        """No versions are told."""
        return "negatives"

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not printed."""


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else 0
