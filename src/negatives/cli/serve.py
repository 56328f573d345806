"""``negatives serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from negatives.cli.options import whole

MISSING = "the server needs the packages starlette and uvicorn; run: pip install 'negatives[serve]'"


def serve(
    runs: Annotated[list[Path], Parameter(negative=())],
    /,
    *,
    host: str = "127.0.0.1",
    port: Annotated[int, Parameter(converter=whole)] = 8000,
    allow: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
) -> None:
    """Answer questions to finished runs over HTTP, with a search page for the browser.

    Parameters
    ----------
    runs
        Run folders; the first answers at /, and each at /runs/NAME/.
    host
        Address to listen at; 0.0.0.0 for all of this machine's, which lets others in.
    port
        Port; 0 for any that is free.
    allow
        Further names that requests may call this server; may stand several times.
    """
    import importlib.util

    from negatives.errors import ConfigError

    if any(importlib.util.find_spec(name) is None for name in ("starlette", "uvicorn")):
        raise ConfigError(MISSING)
    from negatives.serving import server

    with server.bind(host, port) as listening:
        found = server.named(runs)

        def ready(address: str) -> None:
            for name, run in found.items():
                print(f"{name}: {run!r}")
            print(f"serving: {address} (Ctrl-C stops)", flush=True)

        server.serve(found, listening, allow, ready)
    print("stopped", flush=True)
