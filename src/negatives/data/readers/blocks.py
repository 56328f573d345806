"""Read text files, compressed or not, in blocks of whole lines."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import zstandard

from negatives.errors import InputError

BLOCK = 1 << 24
COMPRESSIONS = (".gz", ".xz", ".zst")
DAMAGED = (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error, zstandard.ZstdError)


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
    """The decompressed bytes of a file; what the compression is follows from the extension."""
    kind = path.suffix.lower()
    if kind == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    if kind == ".xz":
        return lzma.open(path, "rb")
    if kind == ".zst":
        return io.BufferedReader(_Zstd(path), BLOCK)
    return path.open("rb")


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
            rest = rest or self._file.read(1 << 17)
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
    except DAMAGED as error:
        hint = "fetch or compress the file again"
        raise InputError(f"the compressed file is damaged or cut off ({error})", path=path, hint=hint) from error
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", path=path, hint="check its permissions") from error


def _cut(block: bytes) -> int:
    """Where the block may end: after the last line feed that stands outside quotes, as far as can be told."""
    end = block.rfind(b"\n") + 1
    if b'"' not in block or len(block) > 4 * BLOCK:
        return end
    cut = end
    for _ in range(64):
        if cut == 0 or block.count(b'"', 0, cut) % 2 == 0:
            break
        cut = block.rfind(b"\n", 0, cut - 1) + 1
    return cut if block.count(b'"', 0, cut) % 2 == 0 else 0


def blocks(path: Path, size: int = BLOCK) -> Iterator[tuple[int, bytes]]:
    """Pairs of the number of the first line (from one) and a block of whole lines.

    Raises:
        InputError: The file is missing, unreadable, cut off, not text, or empty.
    """
    line, rest, seen = 1, b"", False
    with faults_told(path), open_bytes(path) as file:
        while chunk := file.read(size):
            if not seen and chunk.startswith(b"\xef\xbb\xbf"):
                chunk = chunk[3:]
            rest += chunk
            cut = _cut(rest)
            if cut == 0:
                _check_text(path, line, rest[:4096])
                continue
            block, rest = rest[:cut], rest[cut:]
            seen = seen or bool(block.strip())
            _check_text(path, line, block)
            yield line, block
            line += block.count(b"\n")
    if rest.strip():
        _check_text(path, line, rest + b"\n")
        yield line, rest + b"\n"
    elif not seen:
        raise InputError("the file is empty", path=path, hint="give a file with at least one pair")


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line that is not blank, without its end.

    Raises:
        InputError: As :func:`blocks`.
    """
    for first, block in blocks(path):
        for number, line in enumerate(block.decode().split("\n"), first):
            if line.strip():
                yield number, line.rstrip("\r")


def objects(path: Path, numbered: Iterable[tuple[int, str]], hint: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and JSON object of each line that is not blank.

    Args:
        path: File, for the error.
        numbered: Lines with their numbers.
        hint: What to write instead, for the error.

    Raises:
        InputError: A line is not a JSON object; names the line.
    """
    for number, line in numbered:
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"not JSON ({error})", path=path, line=number, hint=hint) from error
        if not isinstance(row, dict):
            raise InputError("not a JSON object", path=path, line=number, hint=hint)
        yield number, row


def _check_text(path: Path, line: int, block: bytes) -> None:
    """Refuse binary content and encodings other than UTF-8, naming the line."""
    hint = "give UTF-8 text, Parquet, or one of these compressed as .gz, .xz or .zst with that extension"
    at = block.find(b"\0")
    if at >= 0:
        raise InputError("binary content, not text", path=path, line=line + block.count(b"\n", 0, at), hint=hint)
    if block.isascii():
        return
    try:
        block.decode()
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and not block.endswith(b"\n"):
            return
        where = line + block.count(b"\n", 0, error.start)
        raise InputError("not UTF-8 text", path=path, line=where, hint=hint) from error
