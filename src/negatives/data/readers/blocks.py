"""Read text files, compressed or not, in blocks of whole lines.

Only a line feed, perhaps after a carriage return, ends a line; form feeds and the separators of Unicode are text.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from negatives.data.readers.opening import COMPRESSIONS, faults_told, inner_suffix, open_bytes
from negatives.errors import ConfigError, InputError

BLOCK = 1 << 24
LONGEST = 1 << 26
"""Bytes of a line or of a quoted cell; longer ones are refused, so that memory is bounded."""
DEEPEST = 200
FEED = 10
Ending = Callable[[bytes], int]
"""Gives how much of some bytes are whole records; 0 for none."""

__all__ = ["BLOCK", "COMPRESSIONS", "blocks", "faults_told", "inner_suffix", "lines", "objects", "open_bytes"]


def last_line(block: bytes) -> int:
    """Where the last whole line ends."""
    return block.rfind(b"\n") + 1


def blocks(
    path: Path, size: int = BLOCK, ending: Ending = last_line, encoding: str | None = None
) -> Iterator[tuple[int, bytes]]:
    """Pairs of the number of the first line (from one) and a block of whole lines, the last ended by a line feed.

    Args:
        path: File, compressed or not.
        size: Bytes read at a time.
        ending: Where a block may end, when a record may hold line feeds.
        encoding: Of the text; None for UTF-8. The blocks are UTF-8 in any case.

    Raises:
        InputError: The file is missing, unreadable, cut off, not text, or empty; or a line is too long.
    """
    line, rest, seen, begun = 1, b"", False, False
    decoder = None if encoding is None else _Recoded(path, encoding)
    more = size
    with faults_told(path), open_bytes(path) as file:
        while chunk := (file.read(more) if decoder is None else decoder.read(file, more)):
            if not begun:
                chunk, begun = _without_mark(path, chunk), True
                _check_ends(path, chunk)
            rest += chunk
            cut = ending(rest)
            if cut == 0:
                _check_text(path, line, rest[:4096])
                if len(rest) > LONGEST:
                    hint = "give one record per line; check that every quotation mark is closed"
                    raise InputError(f"a line of more than {LONGEST:,} bytes", path=path, line=line, hint=hint)
                more = max(more, len(rest))  # twice as much, so that a long line is not copied for each piece of it
                continue
            block, rest, more = rest[:cut], rest[cut:], size
            if block.isspace():
                line += block.count(b"\n")
                continue
            seen = True
            _check_text(path, line, block)
            yield line, block
            line += int(np.count_nonzero(np.frombuffer(block, np.uint8) == FEED))
    if rest.strip():
        rest += b"\n" if not rest.endswith(b"\n") else b""
        _check_text(path, line, rest)
        yield line, rest
    elif not seen:
        raise InputError("the file is empty", path=path, hint="give a file with at least one line of data")


def _without_mark(path: Path, chunk: bytes) -> bytes:
    """The first bytes without the mark of UTF-8."""
    if chunk.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(
            "UTF-16 text", path=path, line=1, hint="save it as UTF-8, or say --set reading.encoding=utf-16"
        )
    return chunk.removeprefix(b"\xef\xbb\xbf")


def _check_ends(path: Path, chunk: bytes) -> None:
    """Refuse text whose lines end in carriage returns alone, which would be one line."""
    if b"\n" not in chunk and chunk.count(b"\r") > 1 and b"\0" not in chunk:
        hint = "save it with line feeds, for instance by: tr '\\r' '\\n' < old > new"
        raise InputError("lines end in carriage returns alone", path=path, line=1, hint=hint)


class _Recoded:
    """Text of another encoding as UTF-8, chunk by chunk."""

    def __init__(self, path: Path, encoding: str) -> None:
        try:
            self._decoder = codecs.getincrementaldecoder(encoding)()
        except LookupError:
            hint = "such as latin-1, cp1252 or utf-16"
            raise ConfigError(f"no encoding is called {encoding!r}; give one that Python knows, {hint}") from None
        self._path, self._encoding = path, encoding

    def read(self, file: IO[bytes], size: int) -> bytes:
        while chunk := file.read(size):
            try:
                if text := self._decoder.decode(chunk).removeprefix("\ufeff"):
                    return text.encode()
            except UnicodeError as error:
                hint = "name another with reading.encoding"
                raise InputError(f"not {self._encoding} text", path=self._path, hint=hint) from error
        return b""


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line that is not blank, without its end.

    Raises:
        InputError: As :func:`blocks`.
    """
    for first, block in blocks(path):
        for number, line in enumerate(block.decode().split("\n"), first):
            if line.strip():
                yield number, line.removesuffix("\r")


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
        except (ValueError, RecursionError) as error:
            reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:120]
            raise InputError(f"not JSON ({reason})", path=path, line=number, hint=advised(line, hint)) from error
        if not isinstance(row, dict):
            raise InputError("not a JSON object", path=path, line=number, hint=hint)
        if "\\u" in line:
            whole_characters(path, number, row, hint)
        yield number, row


def advised(text: str, hint: str) -> str:
    """The hint for text that is not JSON."""
    python = text.lstrip("[ \t\r\n").startswith("{'")
    return "it is written as Python's repr writes it: write it again with json.dumps" if python else hint


def whole_characters(path: Path, line: int, row: Any, hint: str) -> None:
    """Refuse a JSON value that holds half of a character, naming the line."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        fault = "half of a character (a lone surrogate)"
        raise InputError(fault, path=path, line=line, hint="write the text as UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise InputError("not JSON", path=path, line=line, hint=hint) from error


def _check_text(path: Path, line: int, block: bytes) -> None:
    """Refuse binary content and encodings other than UTF-8, naming the line."""
    hint = "give UTF-8 text, Parquet, or one of these compressed as .gz, .xz, .zst or .zip with that extension"
    other = "save the file as UTF-8, or name its encoding: --set reading.encoding=latin-1"
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
        raise InputError("not UTF-8 text", path=path, line=where, hint=other) from error
