"""Signals, from the first moment of a command on: one line and an exit code, never a traceback."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from negatives.errors import SIGNALS, Stopped

IMPORT = "<frozen importlib"
"""Begins the file names of the machinery of imports."""


@contextmanager
def stopping() -> Iterator[None]:
    """Turn signals into :class:`negatives.errors.Stopped`, or into the end of the process while a module is imported.

    What an extension module does with an exception in the midst of its import is up to it, and often a traceback.
    """
    outermost, before = sys._getframe(2), {}

    def stop(number: int, frame: FrameType | None) -> None:
        while frame is not None and frame is not outermost:
            if frame.f_code.co_filename.startswith(IMPORT):
                leave(number)
            frame = frame.f_back
        raise Stopped(number)

    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            with suppress(ValueError):  # not in the main thread
                before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave(number: int) -> None:
    """End the process at once."""
    with suppress(OSError):
        os.write(2, b"negatives: interrupted\n")
    os._exit(128 + number)


def hushed(*streams: Any) -> None:
    """Empty the buffers of streams; one that nobody reads goes to nowhere from now on, so that the exit code stays."""
    for stream in streams:
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
