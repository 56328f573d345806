"""Blocks of whole lines of a stream of bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO


def line_blocks(file: IO[bytes], size: int, longest: int, start: bytes = b"") -> Iterator[bytes]:
    r"""Blocks of about ``size`` bytes that end with a line feed, which the last line gets where it has none.

    Args:
        file: Where the bytes come from.
        size: Bytes of a block, about.
        longest: Bytes of a line behind a block; a block that does not end with a line feed holds the beginning of a
            longer line, or goes on with one.
        start: Bytes in front of those of the file.

    >>> import io
    >>> list(line_blocks(io.BytesIO(b"a\nbcd\nefghij\nk"), 3, 4))
    [b'a\nbcd\n', b'efghij\n', b'k\n']
    """
    while block := start + file.read(max(0, size - len(start))):
        start = b""
        if not block.endswith(b"\n"):
            more = file.readline(longest)
            block += more if len(more) == longest or more.endswith(b"\n") else more + b"\n"
        yield block
