"""Files that a user names to be written: nothing that exists is replaced unasked, and never what is read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from negatives.errors import InputError
from negatives.regular import TEXT, regular
from negatives.temporary import folder_in, sweep
from negatives.training import files

WRITTEN = ".written.json"
"""In a folder of the program's own: size and time of each file that it wrote there."""
Own = Callable[[Path], bool]
"""Whether this program wrote a file, which it may then replace unasked."""


def check_target(
    path: Path, *, overwrite: bool = False, inputs: Iterable[Path | str | None] = (), own: Own | None = None
) -> None:
    """Make sure that a file may be written; creates nothing, and removes what killed processes have left beside it.

    Args:
        path: The file.
        overwrite: Whether a file that is there may be replaced.
        inputs: Files and folders that are read; none of their files is ever written, by whatever name.
        own: Tells the program's own files; None where there are none.

    Raises:
        InputError: It may not.
    """
    sweep(path.parent, deep=False)
    if path.is_symlink():
        raise InputError("is a link, and nothing is written through links", path=path, hint="give another --out")
    if not path.exists():
        return
    if path.is_dir():
        raise InputError("is a folder", path=path, hint="give the name of a file to --out")
    if not path.is_file():
        raise InputError("is no ordinary file", path=path, hint="give the name of a file to --out")
    if own is not None and own(path):
        return
    if any(_holds(Path(one), path) for one in inputs if one is not None):
        raise InputError("is what is read", path=path, hint="give another --out")
    if not overwrite:
        raise InputError("exists already", path=path, hint="add --overwrite to replace it, or give another --out")


@contextmanager
def filling(
    folder: Path, *, overwrite: bool = False, inputs: Iterable[Path | str | None] = (), own: Own | None = None
) -> Iterator[Path]:
    """A temporary folder whose files take their places in ``folder`` when the block ends well: all, or none.

    What killed processes have left of theirs there is removed.

    Args:
        folder: Where they go; made where it is missing.
        overwrite: Whether files that are there may be replaced.
        inputs: See :func:`check_target`.
        own: Tells the program's own files; None where there are none.

    Raises:
        InputError: Another file stands where one would go.
        OSError: The disk is full or the folder cannot be written.
    """
    inputs = list(inputs)
    fresh = not folder.exists()
    if not fresh and not folder.is_dir():
        raise InputError("is a file, not a folder", path=folder, hint="give another --out")
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder, deep=False)
    try:
        with folder_in(folder, "out") as staging:
            with _named(staging, folder):
                yield staging
            made = sorted(path.relative_to(staging) for path in staging.rglob("*") if not path.is_dir())
            for name in made:
                _check_way(folder, name)
                check_target(folder / name, overwrite=overwrite, inputs=inputs, own=own)
            for name in made:
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                mine = own is not None and target.exists() and own(target)
                try:
                    files.place(staging / name, target, overwrite=overwrite or mine)
                except FileExistsError:  # another process was faster
                    check_target(target)
                    raise
        fresh = False
    finally:
        if fresh and not any(folder.iterdir()):
            folder.rmdir()


@contextmanager
def _named(staging: Path, folder: Path) -> Iterator[None]:
    """Let errors name the file that was to be, not the temporary one."""
    try:
        yield
    except OSError as error:
        if error.filename is not None and Path(error.filename).is_relative_to(staging):
            error.filename = str(folder / Path(error.filename).relative_to(staging))
        raise


class Written:
    """Remembers what was written into a folder of the program's own, so that it may be written again.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            found = json.loads(regular(folder / WRITTEN, TEXT).read_text(encoding="utf-8"))
            self._known = {str(name): tuple(stamp) for name, stamp in found.items()}
        except (OSError, ValueError, AttributeError, TypeError, RecursionError, InputError):
            self._known = {}

    def own(self, path: Path) -> bool:
        """Whether a file is as it was written."""
        return self._known.get(self._name(path)) == _stamp(path)

    def remember(self, names: Iterable[Path]) -> None:
        """Note files as they are now."""
        self._known |= {self._name(path): _stamp(path) for path in names}
        files.write_bytes(self._folder / WRITTEN, json.dumps(self._known).encode())

    def _name(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()


def _stamp(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _check_way(folder: Path, name: Path) -> None:
    """Refuse folders on the way to a file that are links or files."""
    for parent in [folder / one for one in name.parents if one != Path()]:
        if parent.is_symlink() or (parent.exists() and not parent.is_dir()):
            raise InputError("is a link or a file where a folder goes", path=parent, hint="give another --out")


def _holds(read: Path, path: Path) -> bool:
    """Whether a file is one that is read: itself, by another name, or one of a folder's."""
    if not read.exists():
        return False
    if not read.is_dir():
        return os.path.samefile(read, path)
    if path.resolve().is_relative_to(read.resolve()):
        return True
    at = path.stat()
    below = (Path(place, one) for place, _, names in os.walk(read) for one in names)
    return at.st_nlink > 1 and any(os.path.samestat(at, one.stat()) for one in below if one.exists())
