"""Standard input and output that no surrounding can spoil: closed, or of few characters."""

from __future__ import annotations

import io
import os
import sys


def steady() -> None:
    """Make sure that every text can be printed, and that a closed stream's number goes to no other file.

    Where the terminal lacks a character, as in a POSIX locale, it is printed as ``\\xe4`` or ``\\u4e2d``.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this one
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 (stays open as long as the process)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
