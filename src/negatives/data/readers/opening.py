"""Open what holds the data: a file, compressed or not, a pipe, or standard input."""

from __future__ import annotations

import atexit
import gzip
import io
import lzma
import os
import select
import shutil
import stat
import sys
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, cast

import zstandard

from negatives.errors import InputError
from negatives.temporary import Passing

BUFFER = 1 << 20
COMPRESSIONS = (".gz", ".xz", ".zst", ".zip")
DAMAGED = (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error, zstandard.ZstdError, zipfile.BadZipFile)
STANDARD_INPUT = Path("-")
PATIENCE = 3.0
"""Seconds in which somebody must begin to write to a pipe."""
UNFOLDED, RATIO = 1 << 28, 500
"""A file may unfold to so many bytes, or so many times its own size, whichever is more."""


def inner_suffix(path: Path) -> str:
    """Extension in lower case without that of the compression.

    >>> inner_suffix(Path("pairs.CSV.gz"))
    '.csv'
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def open_bytes(path: Path) -> IO[bytes]:
    """The decompressed bytes of a file; what the compression is follows from the extension.

    Raises:
        InputError: While reading: the file unfolds to far more than an honest one does, or holds several members.
    """
    kind = path.suffix.lower()
    if kind == ".gz":
        return _bounded(path, cast(IO[bytes], gzip.open(path, "rb")))
    if kind == ".xz":
        return _bounded(path, lzma.open(path, "rb"))
    if kind == ".zst":
        return _bounded(path, io.BufferedReader(_Zstd(path), BUFFER))
    if kind == ".zip":
        return _bounded(path, _member(path))
    return path.open("rb")


def _bounded(path: Path, file: IO[bytes]) -> IO[bytes]:
    return io.BufferedReader(_Bounded(path, file), BUFFER)


def _member(path: Path) -> IO[bytes]:
    """The only member of an archive."""
    try:
        archive = zipfile.ZipFile(path)
    except ValueError as error:
        raise zipfile.BadZipFile(str(error)) from error
    names = [one.filename for one in archive.infolist() if not one.is_dir() and not one.filename.startswith("__MACOSX")]
    if len(names) != 1:
        hint = "unpack it, or give an archive with one file"
        raise InputError(f"the archive holds {len(names)} files", path=path, hint=hint)
    try:
        return archive.open(names[0])
    except (RuntimeError, NotImplementedError) as error:
        raise InputError(f"the archive cannot be opened ({error})", path=path, hint="unpack it first") from error


class _Bounded(io.RawIOBase):
    """A stream that refuses to unfold without end."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path, self._file, self._seen = path, file, 0
        self._most = max(UNFOLDED, RATIO * path.stat().st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        found = self._file.read(len(view))
        view[: len(found)] = found
        self._seen += len(found)
        if self._seen > self._most:
            fault = f"unfolds to more than {RATIO} times its size"
            raise InputError(fault, path=self._path, hint="unpack it yourself if it is meant to be so large")
        return len(found)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Zstd(io.RawIOBase):
    """Zstandard stream that tells a cut-off file from a complete one, which the library does not."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._decoder = zstandard.ZstdDecompressor().decompressobj()
        self._ready = b""
        self._started = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        while not self._ready:
            if self._decoder.eof:
                rest = self._decoder.unused_data
                self._decoder, self._started = zstandard.ZstdDecompressor().decompressobj(), False
            else:
                rest = b""
            rest = rest or self._file.read(1 << 12)
            if not rest:
                if self._started:
                    raise EOFError("the compressed stream ends early")
                return 0
            self._started = True
            self._ready = self._decoder.decompress(rest)
        size = min(len(view), len(self._ready))
        view[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def close(self) -> None:
        self._file.close()
        super().close()


@contextmanager
def faults_told(path: Path) -> Iterator[None]:
    """Tell what keeps a file from being read as an :class:`InputError`: missing, damaged, or not permitted."""
    try:
        yield
    except FileNotFoundError:
        raise InputError("no such file", path=path, hint="check the path") from None
    except IsADirectoryError:
        raise InputError("a folder where a file is expected", path=path, hint="name the file in it") from None
    except DAMAGED as error:
        hint = "fetch or compress the file again"
        raise InputError(f"the compressed file is damaged or cut off ({error})", path=path, hint=hint) from error
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", path=path, hint="check its permissions") from error
    except MemoryError:
        hint = "give the process more (see ulimit -v), or unpack a compressed file first"
        raise InputError("needs more memory than there is", path=path, hint=hint) from None


def at_rest(path: Path) -> Path:
    """The path itself; what a pipe or standard input gives is first copied to a file that the process removes.

    A pipe can be read once, and a format is known by looking before reading.

    Raises:
        InputError: Nothing is there, or nothing arrives.
    """
    if path == STANDARD_INPUT:
        if sys.stdin is None or sys.stdin.isatty():
            raise InputError("standard input is a terminal", path=path, hint="pipe a file into the command")
        return _copied(sys.stdin.buffer, "standard-input")
    try:
        with faults_told(path):
            mode = path.stat().st_mode
    except UnicodeError:  # a name that the locale has no characters for, which the command tells
        raise
    except ValueError as error:  # a name with a null character
        raise InputError("no name of a file", path=path, hint="correct the path") from error
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return path
    if stat.S_ISFIFO(mode):
        return _from_pipe(path)
    raise InputError("neither a file nor a folder nor a pipe", path=path, hint="give a file")


def _from_pipe(path: Path) -> Path:
    """A pipe that nobody has opened for writing reads as ended, one that somebody has as not ready."""
    with faults_told(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                head = os.read(descriptor, 4)
            except BlockingIOError:
                select.select([descriptor], [], [])
                continue
            if head or time.monotonic() > end:
                break
            time.sleep(0.05)
        if not head:
            raise InputError("nothing arrives from the pipe", path=path, hint="start what writes to it first")
        os.set_blocking(descriptor, True)
        return _copied(file, path.name, head)


def _copied(file: IO[bytes] | io.RawIOBase, name: str, head: bytes = b"") -> Path:
    head += file.read(4 - len(head)) or b""
    kinds = {b"\x1f\x8b": ".gz", b"\xfd7zX": ".xz", b"\x28\xb5\x2f\xfd": ".zst", b"PK\x03\x04": ".zip"}
    suffix = next((kind for magic, kind in kinds.items() if head.startswith(magic)), "")
    target = passing_folder() / f"{name}{suffix}"
    with target.open("wb") as out:
        out.write(head)
        shutil.copyfileobj(cast(IO[bytes], file), out, BUFFER)
    return target


@cache
def passing_folder() -> Path:
    """A folder that this process removes when it ends."""
    found = Passing("data")
    atexit.register(found.remove)
    return found.path
