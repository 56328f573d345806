"""Parse whole numbers between blanks, as many benchmarks publish them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from negatives.errors import InputError

Ints = npt.NDArray[np.int64]
_SPACE, _DIGIT, _LINE, _OTHER = 0, 1, 2, 3
_KIND = np.full(256, _OTHER, dtype=np.uint8)
_KIND[list(b" \t\r")] = _SPACE
_KIND[list(b"0123456789")] = _DIGIT
_KIND[ord("\n")] = _LINE


def parse_numbers(path: Path, line: int, block: bytes, also: bytes = b"") -> tuple[Ints, Ints]:
    """Whole numbers of a block of lines, and how many stand on each line.

    Args:
        path: File, for the error.
        line: Number of the first line of the block.
        block: Whole lines, each ended by a line feed.
        also: One more separator, for instance ``b":"``.

    Returns:
        Values ``(n,)`` and counts per line ``(lines,)``.

    Raises:
        InputError: Something else than a whole number stands in a line.
    """
    raw = np.frombuffer(block, dtype=np.uint8)
    kind = _KIND
    if also:
        kind = kind.copy()
        kind[list(also)] = _SPACE
    kinds = kind[raw]
    wrong = np.flatnonzero(kinds == _OTHER)
    if wrong.size:
        _refuse(path, line, block, int(wrong[0]))
    digit = np.concatenate([[False], kinds == _DIGIT, [False]])
    edges = np.flatnonzero(digit[1:] != digit[:-1])
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    if lengths.size and lengths.max() > 18:
        _refuse(path, line, block, int(starts[lengths.argmax()]))
    values = (raw[starts] - 48).astype(np.int64)
    rest = np.flatnonzero(lengths > 1)
    place = 1
    while rest.size:
        values[rest] = values[rest] * 10 + (raw[starts[rest] + place] - 48)
        place += 1
        rest = rest[lengths[rest] > place]
    ends = np.flatnonzero(kinds == _LINE)
    return values, np.diff(np.searchsorted(starts, ends), prepend=0)


def _refuse(path: Path, line: int, block: bytes, at: int) -> None:
    where = line + block.count(b"\n", 0, at)
    begin = block.rfind(b"\n", 0, at) + 1
    before, after = block[begin:at], block[at : block.find(b"\n", at)]
    token = (re.split(rb"[ \t\r]", before)[-1] + re.split(rb"[ \t\r]", after)[0]).decode(errors="replace")[:40]
    hint = "write 'user item item ...' with whole numbers, or give a table with one pair per line and a header"
    raise InputError(f"{token!r} stands where a whole number is expected", path=path, line=where, hint=hint)
