"""One process at a time writes into a run folder, and runs that begin in the same moment get folders of their own."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from negatives.errors import InputError
from negatives.temporary import sweep, sweep_passing
from negatives.training.run_folder import LOCK, RunFolder

try:
    import fcntl
except ImportError:  # not on Windows, where folders are not held
    fcntl = None  # type: ignore[assignment]


NO_LINKS = getattr(os, "O_NOFOLLOW", 0)
"""Makes opening a link an error, where the system can."""


@contextmanager
def taken(out: Path | None, task: str, data: str | None, sampler: str) -> Iterator[RunFolder]:
    """The folder of a run, held while it is written.

    Args:
        out: The folder; a new one under ``runs/`` where it is left out.
        task: For the name of a new one.
        data: For the name of a new one.
        sampler: For the name of a new one.

    Raises:
        InputError: Another process holds the folder.
    """
    with ExitStack() as stack:
        folder = RunFolder(out) if out is not None else None
        if folder is not None:
            stack.enter_context(held(folder.path))
        while folder is None:
            named = RunFolder.new(task, data, sampler)
            try:
                stack.enter_context(held(named.path, fresh=True))
            except FileExistsError:  # another process was faster
                continue
            folder = named
        yield folder


def tidy(path: Path | None) -> None:
    """Remove what killed processes have left in a folder that nobody holds, and in the system's temporary folder.

    A command does so before it looks at the folder, which it may then refuse.
    """
    sweep_passing()
    if path is not None and (path / LOCK).exists():
        with suppress(InputError), held(path):
            pass


@contextmanager
def held(path: Path, fresh: bool = False) -> Iterator[None]:
    """Hold a folder, which is made if need be; a process that ends, in whatever way, lets go.

    What killed ones have left there is removed. What was made for it and is empty in the end is removed again.

    Args:
        path: The folder.
        fresh: Whether it must not be there yet.

    Raises:
        InputError: Another process holds it.
        FileExistsError: It is there and should not be.
    """
    made = _make(path, fresh)
    try:
        handle = lock(path)
        try:
            sweep(path)
            yield
        finally:
            (path / LOCK).unlink(missing_ok=True)
            os.close(handle)
    finally:
        for folder in made:
            if not any(folder.iterdir()):
                folder.rmdir()


def _make(path: Path, fresh: bool) -> list[Path]:
    """The folders that had to be made, the innermost first."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing[1:]):
        folder.mkdir(exist_ok=True)
    if missing or fresh:
        path.mkdir(exist_ok=not fresh)
    return missing


def lock(path: Path) -> int:
    """An open and locked file in a folder; one that its last holder has just removed does not count.

    Raises:
        InputError: Another process holds it, or the folder cannot be written.
    """
    while True:
        try:
            handle = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | NO_LINKS, 0o644)
        except PermissionError:
            hint = "choose another folder with --out"
            raise InputError("cannot be written", path=path, hint=hint) from None
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise InputError("is a link, and nothing is written through links", path=path / LOCK) from None
        if fcntl is None:
            return handle
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            hint = "wait for it, or choose another folder with --out"
            raise InputError("another process is writing here", path=path, hint=hint) from None
        except OSError:  # a file system without locks
            return handle
        try:
            if os.path.samestat(os.fstat(handle), os.stat(path / LOCK)):
                return handle
        except FileNotFoundError:
            pass
        os.close(handle)
