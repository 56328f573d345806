"""Where compiled kernels are kept between runs.

Numba notices an edit in the file of a kernel but not in the helpers it calls. The folder's name therefore
holds a hash of all sources of this package, and of those that it takes constants from: any edit leads to a fresh
folder.

What is kept is code, so nobody else may be able to write where it lies; see :func:`usable`.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

OTHERS = stat.S_IWGRP | stat.S_IWOTH


@cache
def fingerprint() -> str:
    """Hash of the sources that can end up in a compiled kernel, and of what compiles them."""
    digest = hashlib.sha256(version("numba").encode())
    folder = Path(__file__).parent
    others = [*sorted(folder.parent.glob("*.py")), folder.parent.parent / "randomness.py"]  # constants come from there
    for path in [*sorted(folder.glob("*.py")), *others]:
        digest.update(path.relative_to(folder.parent.parent).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def candidates() -> Iterator[Path]:
    """Folders to try, best first: the one Numba was given, the user's cache, a private temporary one."""
    if os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(os.environ["NUMBA_CACHE_DIR"]) / "negatives"
    home = Path(os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache"))
    if home.is_absolute():  # a user without a home has "~", and the XDG rules ignore relative folders
        yield home / "negatives"
    owner = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    try:
        yield Path(tempfile.gettempdir()) / f"negatives-{owner}"
    except FileNotFoundError:  # no temporary folder can be written
        return


def usable(folder: Path) -> bool:
    """True if the folder can be made and written, and nobody else may write there or put another in its place."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if hasattr(os, "getuid") and not _private(folder):
            return False
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _private(folder: Path) -> bool:
    """Whether the folder and the link to it, if it is one, are ours, and those above it are safe from strangers."""
    status = folder.stat()
    if {status.st_uid, folder.lstat().st_uid} != {os.getuid()} or status.st_mode & OTHERS:
        return False
    trusted = {os.getuid(), 0, os.stat("/").st_uid}
    above = {*folder.absolute().parents, *folder.resolve().parents}
    return all(_safe(one.stat(), trusted) for one in above)


def _safe(above: os.stat_result, trusted: set[int]) -> bool:
    """Whether only the owner, who is trusted, can rename what lies in a folder that he does not own."""
    open_to_all = bool(above.st_mode & stat.S_IWOTH) and not above.st_mode & stat.S_ISVTX
    return above.st_uid in trusted and not open_to_all


@cache
def location() -> str | None:
    """The folder for this version of the sources, or None where nothing can be written."""
    for root in candidates():
        folder = root / f"kernels-{fingerprint()}"
        if usable(root) and usable(folder):
            return str(folder.absolute())
    return None
