"""What becomes of errors of the machine and its disk: one sentence that says what to do."""

from __future__ import annotations

import errno
import math
import os
import sys
from collections.abc import Sequence

from negatives.errors import ConfigError

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

ADDRESSES = 2 * 2**30
"""Bytes of addresses under which libraries end the process rather than raise errors."""

HINTS = {
    errno.ENOSPC: "free some space, or choose another folder with --out",
    errno.EDQUOT: "free some space, or choose another folder with --out",
    errno.EFBIG: "raise the limit on file sizes, or choose another folder with --out",
    errno.EACCES: "choose a file or folder that you may use",
    errno.EPERM: "choose a file or folder that you may use",
    errno.EROFS: "choose another folder with --out",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path",
    errno.EISDIR: "give a file",
    errno.EEXIST: "choose another name, or remove it if it is a link that leads nowhere",
    errno.ELOOP: "the links lead in a circle; give the place itself",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "raise the limit on open files: ulimit -n 4096",
    errno.ENFILE: "close other programs, or raise the machine's limit on open files",
    errno.ENOMEM: "give the process more memory: see ulimit -v",
    errno.EAGAIN: "raise the limit on processes: see ulimit -u",
}
MEMORY = "the memory does not suffice; give the process more (see ulimit -v), or choose a smaller --batch-size or --dim"
THREADS = "the system allows no further thread; give --threads 1, or raise the limits (see ulimit -u and ulimit -v)"
GONE = "the current folder is gone; change to one that exists"
SIGNS = {
    "can't allocate memory": MEMORY,
    "not enough memory": MEMORY,
    "out of memory": MEMORY,
    "bad_alloc": MEMORY,
    "storage size calculation overflowed": MEMORY,
    "cannot allocate memory": MEMORY,
    "failed to map segment": MEMORY,
    "could not find/load shared object": MEMORY,  # so llvmlite, whatever kept it from being loaded
    "can't start new thread": THREADS,
    "resource temporarily unavailable": THREADS,
}
"""Words in the messages of libraries that have no type of error for what the machine lacks."""


def sentence(error: BaseException) -> str | None:
    """What a user is told of an error that is no fault of the program; None for any other."""
    if isinstance(error, MemoryError):
        return MEMORY
    if isinstance(error, OSError) and error.errno is not None:
        return _of_system(error)
    if isinstance(error, UnicodeEncodeError):
        return _unwritable(error.object[error.start : error.end], error.encoding)
    text = str(error).lower()
    return next((told for sign, told in SIGNS.items() if sign in text), None)


def check_place(words: Sequence[str]) -> None:
    """Make sure that there is a current folder, and that every word of the command can be written down again.

    Raises:
        ConfigError: The folder is gone; a word is not UTF-8, or the locale is too small for it.
    """
    if not _here():  # the libraries under PyTorch would end the process
        raise ConfigError(GONE)
    if (limit := _address_space()) < ADDRESSES:
        raise ConfigError(
            f"ulimit -v allows {limit / 2**30:.1f} GB of addresses and PyTorch with its libraries takes about "
            f"{ADDRESSES / 2**30:.0f} GB; raise it: ulimit -v unlimited"
        )
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError as error:
            raise ConfigError(_unwritable(word, sys.getfilesystemencoding())) from error


def _address_space() -> float:
    """Bytes of addresses that the process may have; infinite without a limit."""
    if resource is None:
        return math.inf
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return math.inf if limit == resource.RLIM_INFINITY else limit


def _unwritable(name: str, encoding: str) -> str:
    shown = name.encode("ascii", "backslashreplace").decode()
    if sys.getfilesystemencoding() == "utf-8":
        return f"{shown} is not written in UTF-8; rename that file or folder"
    return f"{shown} cannot be written in this locale ({encoding}); set PYTHONUTF8=1 in the environment"


def _of_system(error: OSError) -> str:
    reason = error.strerror or str(error)
    if error.filename is None:
        if not _here():
            return GONE
        if reason.startswith("No usable temporary directory"):
            return "no temporary folder can be written; set TMPDIR to one that can"
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):  # every file that we write has its name there
            return f"{reason}; free some space where the output of this command goes, or temporary files do (TMPDIR)"
    where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
    return f"{where}{reason}; {HINTS.get(error.errno or 0, 'check the disk and the path')}"


def _here() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True
