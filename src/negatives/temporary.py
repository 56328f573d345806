"""Files and folders that are there only while a process works: named, held and swept in one way.

Their names end in :data:`SUFFIX`. The process that made one holds a lock on it, which ends with the process, in
whatever way that ends. What is not locked is left over from a killed process and may be removed by anyone who looks.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows, where an open file cannot be removed anyway
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".negatives.part"
LONGEST = 48
"""Characters of a file's own name that its temporary one repeats; names may have 255 bytes at most."""
OF_PROGRAM = "negatives-"
"""Begins the names below the system's temporary folder."""


@contextmanager
def file_beside(path: Path) -> Iterator[Path]:
    """A new empty file in the same folder, held while the block runs and removed after it if it is still there."""
    made, handle = _made(lambda: _new_file(path))
    try:
        yield made
    finally:
        made.unlink(missing_ok=True)
        _close(handle)


@contextmanager
def folder_in(parent: Path, name: str) -> Iterator[Path]:
    """A new folder below ``parent``, held while the block runs and removed with all that it holds after it."""
    made, handle = _made(lambda: _new_folder(parent, stem(name)))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        _close(handle)


class Passing:
    """A folder below the system's temporary folder (``TMPDIR`` chooses another), held until :meth:`remove`.

    The first of a process sweeps what killed ones have left there.

    Args:
        name: What it is for.
    """

    def __init__(self, name: str) -> None:
        sweep_passing()
        parent = Path(tempfile.gettempdir())
        self.path, self._handle = _made(lambda: _new_folder(parent, f"{OF_PROGRAM}{name}-"))

    def remove(self) -> None:
        """Remove it with all that it holds."""
        shutil.rmtree(self.path, ignore_errors=True)
        handle, self._handle = self._handle, None
        _close(handle)


def stem(name: str) -> str:
    """How the name of what is temporary for ``name`` begins.

    >>> stem("report.html")
    '.report.html.'
    """
    return f".{name[:LONGEST]}."


@dataclass(frozen=True, slots=True)
class Leftover:
    """What a killed process has left.

    Args:
        path: A file or a folder.
        size: Bytes of all that it holds.
    """

    path: Path
    size: int


def sweep(folder: Path, begins: str = "", *, deep: bool = True, dry: bool = False) -> list[Leftover]:
    """Remove what killed processes of this user have left in a folder.

    Args:
        folder: Where to look; links are not followed.
        begins: How the names begin.
        deep: Whether to look in the folders below as well.
        dry: Only tell.
    """
    found: list[Leftover] = []
    for place, folders, files in os.walk(folder):
        named = [one for one in (*folders, *files) if one.endswith(SUFFIX) and one.startswith(begins)]
        found += filter(None, (remove(Path(place, one), dry=dry) for one in sorted(named)))
        folders[:] = [one for one in folders if deep and not one.endswith(SUFFIX)]
    return found


@cache
def sweep_passing() -> None:
    """Sweep the system's temporary folder, once a process."""
    sweep(Path(tempfile.gettempdir()), OF_PROGRAM, deep=False)


def remove(path: Path, *, dry: bool = False) -> Leftover | None:
    """Remove one of them; None where it is in use, somebody else's, a link, or gone."""
    try:
        status = path.lstat()
        ours = not hasattr(os, "getuid") or status.st_uid == os.getuid()
        if not ours or not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):  # to open a pipe would wait
            return None
        handle = os.open(path, os.O_RDONLY) if fcntl is not None else None
    except OSError:
        return None
    try:
        if not _lock(handle):
            return None
        left = Leftover(path, size(path))
        if not dry:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return left
    except OSError:
        return None
    finally:
        _close(handle)


def size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    if not path.is_dir():
        return path.lstat().st_size
    return sum(Path(place, one).lstat().st_size for place, _, files in os.walk(path) for one in files)


def _new_file(path: Path) -> Path:
    handle, name = tempfile.mkstemp(prefix=stem(path.name), suffix=SUFFIX, dir=path.parent)
    os.close(handle)
    return Path(name)


def _new_folder(parent: Path, prefix: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=prefix, suffix=SUFFIX, dir=parent))


def _made(new: Callable[[], Path]) -> tuple[Path, int | None]:
    """Something new, and the handle that locks it; one that was swept before it was locked does not count."""
    while True:
        path = new()
        if fcntl is None:
            return path, None
        with suppress(FileNotFoundError):
            handle = os.open(path, os.O_RDONLY)
            if _lock(handle) is not False and path.exists():
                return path, handle
            os.close(handle)


def _lock(handle: int | None) -> bool | None:
    """Whether nobody else holds it; None on a file system without locks, where nothing is ever swept."""
    if fcntl is None or handle is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EWOULDBLOCK, errno.EACCES) else None
    return True


def _close(handle: int | None) -> None:
    if handle is not None:
        os.close(handle)
