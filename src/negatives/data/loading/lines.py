"""Lines of a text file of any size, compressed or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from negatives.data.line_blocks import line_blocks
from negatives.data.readers.blocks import faults_told, open_bytes
from negatives.errors import InputError

BLOCK = 1 << 22
HINT = "give UTF-8 text, plain or compressed as .gz, .xz, .zst or .zip with that extension"


def lines(path: Path) -> Iterator[str]:
    """Every line without its end, which is ``\\n`` or ``\\r\\n``; what else moves a cursor is text.

    A line of more than a block is cut at a blank, and where there is none, between two letters.

    Raises:
        InputError: The file is missing, cut off, binary or not UTF-8; names the line.
    """
    for _, block in _blocks(path):
        for line in block.split("\n"):
            yield line.removesuffix("\r")


def _blocks(path: Path) -> Iterator[tuple[int, str]]:
    """Pairs of the number of the first line and a block of whole lines."""
    line, rest = 1, b""
    with faults_told(path), open_bytes(path) as file:
        for block in line_blocks(file, BLOCK, BLOCK):
            block = rest + block
            cut = len(block) if block.endswith(b"\n") else block.rfind(b" ") + 1 or _between(block)
            yield line, _decoded(path, line, block[:cut])
            line, rest = line + block.count(b"\n"), block[cut:]


def _between(chunk: bytes) -> int:
    """Where the last letter of a piece of UTF-8 begins."""
    return next(
        (at for at in range(len(chunk) - 1, max(0, len(chunk) - 4), -1) if chunk[at] & 0xC0 != 0x80), len(chunk)
    )


def _decoded(path: Path, line: int, block: bytes) -> str:
    at = block.find(b"\0")
    if at >= 0:
        raise InputError("binary content, not text", path=path, line=line + block.count(b"\n", 0, at), hint=HINT)
    try:
        return block.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        where = line + block.count(b"\n", 0, error.start)
        raise InputError("not UTF-8 text", path=path, line=where, hint=HINT) from error
