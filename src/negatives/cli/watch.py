"""``negatives watch``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from negatives.cli.options import whole


def watch(
    run: Path,
    /,
    *,
    port: Annotated[int, Parameter(converter=whole)] = 0,
    browser: Annotated[bool, Parameter(negative="--no-browser")] = True,
) -> None:
    """Show the report of a run in the browser while it trains; ends with Ctrl-C.

    Parameters
    ----------
    run
        Folder of a run or a comparison, for instance what train has for --out; it need not be there yet.
    port
        Where the page is served, to browsers of this machine only; 0 for any free port.
    browser
        Open the page in a browser.
    """
    from negatives.diagnostics.watch import Server

    server = Server(run, port)
    print(f"watching {run} at {server.url} (Ctrl-C ends it)", flush=True)
    if browser and (sys.platform in ("darwin", "win32") or {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ)):
        import webbrowser  # without a screen it would take the terminal

        webbrowser.open(server.url)
    try:
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        print("no longer watching")
    finally:
        server.server_close()
