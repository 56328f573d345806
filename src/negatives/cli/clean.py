"""``negatives clean``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def clean(
    paths: Annotated[list[Path] | None, Parameter(negative=())] = None,
    /,
    *,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Remove what killed processes have left; finished and interrupted runs stay as they are.

    Parameters
    ----------
    paths
        Folders, such as runs, with all below them, or files that were to be written; left out: runs, the system's
        temporary folder and this program's cache.
    dry_run
        Only say what would be removed.
    """
    import tempfile

    from negatives.data.offline.sources import cache_folder
    from negatives.errors import InputError
    from negatives.temporary import OF_PROGRAM, sweep
    from negatives.training.cleaning import clean as cleaned

    for path in paths or ():
        if not path.exists() and not path.parent.is_dir():
            raise InputError("no such file or folder", path=path, hint="check the path")
    found = [one for path in paths or (Path("runs"), cache_folder()) for one in cleaned(path, dry=dry_run)]
    if not paths:
        found += sweep(Path(tempfile.gettempdir()), OF_PROGRAM, deep=False, dry=dry_run)
    for one in found:
        print(f"{one.path}: {one.size:,} bytes")
    how = "would be removed" if dry_run else "removed"
    told = f"{len(found):,} leftovers with {sum(one.size for one in found):,} bytes {how}"
    print(told if found else "nothing is left over")
