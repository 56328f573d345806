"""Where compiled kernels are kept between runs.

Numba notices an edit in the file of a kernel but not in the helpers it calls. The folder's name therefore
holds a hash of all sources of this package, and of those that it takes constants from: any edit leads to a fresh
folder.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path


@cache
def fingerprint() -> str:
    """Hash of the sources that can end up in a compiled kernel."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    others = [*sorted(folder.parent.glob("*.py")), folder.parent.parent / "randomness.py"]  # constants come from there
    for path in [*sorted(folder.glob("*.py")), *others]:
        digest.update(path.relative_to(folder.parent.parent).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def candidates() -> Iterator[Path]:
    """Folders to try, best first: the one Numba was given, the user's cache, a private temporary one."""
    if os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(os.environ["NUMBA_CACHE_DIR"]) / "negatives"
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    yield Path(home) / "negatives"
    owner = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    yield Path(tempfile.gettempdir()) / f"negatives-{owner}"


def usable(folder: Path) -> bool:
    """True if the folder can be made and written, and nobody else may write there: the cache holds code."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
            return False
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


@cache
def location() -> str | None:
    """The folder for this version of the sources, or None where nothing can be written."""
    for root in candidates():
        folder = root / f"kernels-{fingerprint()}"
        if usable(root) and usable(folder):
            return str(folder)
    return None
