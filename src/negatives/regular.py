"""Files that end: what is read from a folder that anyone may have made is a regular file of a sane size."""

from __future__ import annotations

import stat
from pathlib import Path

from negatives.errors import InputError

TEXT = 256 * 2**20
"""Bytes of a text file of a run at most; what runs write is smaller by far."""


def regular(path: str | Path, most: int | None = None) -> Path:
    """The path of a file that can be opened without waiting and read to its end.

    A link counts as what it leads to. A pipe would wait for somebody to write, and a device may never end.

    Args:
        path: The file.
        most: Its largest size in bytes; None for any.

    Raises:
        InputError: It is a pipe, a device or a folder, or too large; or its name is none.
        OSError: Nothing is there, or it may not be looked at.
    """
    path = Path(path)
    try:
        status = path.stat()
    except UnicodeError:  # a name that the locale has no characters for, which the command tells
        raise
    except ValueError as error:  # a name with a null character
        raise InputError("no name of a file", path=path, hint="correct the path") from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
        raise InputError(f"is {kind}, not a file", path=path, hint="give a regular file")
    if most is not None and status.st_size > most:
        told = f"has {status.st_size / 2**20:,.0f} MB, more than {most / 2**20:,.0f}"
        raise InputError(told, path=path, hint="no such file of a run is so large; get it again")
    return path
