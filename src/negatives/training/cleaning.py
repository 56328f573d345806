"""Removes what killed processes have left: what is temporary, and locks that nobody holds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from negatives.errors import InputError
from negatives.temporary import SUFFIX, Leftover, remove, sweep
from negatives.training.run_folder import LOCK
from negatives.training.taken import lock


def clean(path: Path, *, dry: bool = False) -> Iterator[Leftover]:
    """Remove what is left in a folder and all below it, or beside a file; tell each.

    Only what bears this program's own names and no process holds; links are not followed. A folder whose lock another
    process holds is left alone with all below it.

    Args:
        path: A folder, such as one of a run, or a file that was to be written.
        dry: Only tell.
    """
    if not path.is_dir():
        yield from sweep(path.parent, deep=False, dry=dry)
        return
    for place, folders, names in os.walk(path):
        here, handle = Path(place), None
        try:
            handle = lock(here) if LOCK in names else None
            for name in sorted((*folders, *names)):
                if name.endswith(SUFFIX) and (found := remove(here / name, dry=dry)) is not None:
                    yield found
            folders[:] = [one for one in folders if not one.endswith(SUFFIX)]
            if handle is not None:
                yield from _unlocked(here, dry)
        except InputError:  # another process holds it
            folders.clear()
        finally:
            if handle is not None:
                os.close(handle)


def _unlocked(here: Path, dry: bool) -> Iterator[Leftover]:
    """A lock that nobody held, and its folder where it holds nothing else."""
    yield Leftover(here / LOCK, (here / LOCK).stat().st_size)
    if not dry:
        (here / LOCK).unlink(missing_ok=True)
        if not any(here.iterdir()):
            here.rmdir()
