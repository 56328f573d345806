"""Read files of word vectors block by block, in whichever of three formats they are.

word2vec's and fastText's text: a line ``number dimension``, then a line ``word v v v ...`` for each word. GloVe's: the
same without the first line. word2vec's binary: that line, then for each word the word, a blank, and the float32 numbers
in little-endian order, with or without a line feed. The content decides, not the name of the file.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import polars as pl

from negatives.data.line_blocks import line_blocks
from negatives.data.readers.blocks import faults_told, open_bytes
from negatives.errors import InputError

HINT = "give vectors as word2vec, GloVe, gensim or fastText write them"
LONGEST_WORD = 10_000
"""Bytes of a word."""
LARGEST = 1_000_000
"""Numbers of a vector."""
DIGITS = 64
"""Bytes of a number in a text, at most."""
BLOCK = 1 << 24
LONGEST_LINE = LONGEST_WORD + DIGITS * LARGEST
SEEN = 100
"""Lines by which the dimension of a file without a first line is told."""
FASTTEXT = bytes.fromhex("ba164f2f")
PRINTABLE = frozenset(string.printable.encode())

Rows = npt.NDArray[np.float32]
Block = tuple[list[str], Rows]


@dataclass(slots=True)
class VectorFile:
    """A file of word vectors.

    Args:
        path: The file, compressed or not.
        notes: What was found, filled while reading.
    """

    path: Path
    notes: list[str] = field(default_factory=list)
    _undecoded: int = field(default=0, init=False)

    def blocks(self) -> Iterator[Block]:
        """Words and their vectors ``(n, d)`` float32, block by block, in the order of the file.

        Raises:
            InputError: The file is missing, cut off, or of another format; names the line of a text.
        """
        with faults_told(self.path), open_bytes(self.path) as file:
            first = file.readline(LONGEST_LINE)
            header = self._header(first)
            if header is None:
                yield from self._text(file, first, 1, None, None)
            else:
                number, dim = header
                start = file.read(LONGEST_WORD + DIGITS * dim)
                if _is_text(start.partition(b"\n")[0].rstrip(b"\r "), dim):
                    yield from self._text(file, start, 2, number, dim)
                else:
                    yield from self._binary(file, start, number, dim)
        if self._undecoded:
            self.notes.append(f"{self.path.name}: {self._undecoded:,} words that are not UTF-8, read as far as can be")

    def _header(self, line: bytes) -> tuple[int, int] | None:
        """Number and dimension of the vectors, where the first line states them."""
        if not line.strip():
            raise InputError("the first line is empty", path=self.path, line=1, hint=HINT)
        if line.startswith(FASTTEXT):
            raise InputError(
                "a model of fastText, not its vectors", path=self.path, hint="give the .vec file beside it"
            )
        parts = line.split()
        if len(parts) != 2 or not all(part.isdigit() for part in parts):
            return None
        if max(map(len, parts)) > DIGITS:
            raise InputError("the first line is no number of words", path=self.path, line=1, hint=HINT)
        number, dim = map(int, parts)
        if not 1 <= dim <= LARGEST:
            raise InputError(
                f"vectors of {dim:,} numbers", path=self.path, line=1, hint=f"1 to {LARGEST:,} are possible"
            )
        return number, dim

    def _text(self, file: IO[bytes], start: bytes, line: int, number: int | None, dim: int | None) -> Iterator[Block]:
        left = number
        for block in line_blocks(file, BLOCK, LONGEST_LINE, start):
            if not block.endswith(b"\n"):
                raise InputError("a line without an end", path=self.path, line=line, hint=HINT)
            dim = dim or self._dimension(block)
            words, rows = self._parsed(block, dim) or self._line_by_line(block, line, dim)
            if left is not None and len(words) > left:
                self.notes.append(
                    f"{self.path.name}: more than the {number:,} words of the first line; the rest is left out"
                )
                yield words[:left], rows[:left]
                return
            if words:
                yield words, rows
            left = None if left is None else left - len(words)
            line += block.count(b"\n")
        if left:
            self._cut_off(number, left, line)

    def _cut_off(self, number: int | None, left: int, line: int | None = None) -> None:
        assert number is not None
        hint = "the file is cut off; fetch it again"
        raise InputError(f"{number - left:,} of {number:,} words are there", path=self.path, line=line, hint=hint)

    def _dimension(self, block: bytes) -> int:
        """Numbers behind a word, as most of the first lines have them."""
        lines = (one for one in block[:-1].split(b"\n", SEEN)[:SEEN] if one.strip())
        found = Counter(map(_numbers_at_end, lines))
        dim = min(found, key=lambda count: (-found[count], count))
        if not dim:
            why = "the first line is neither 'number dimension' nor a word and its numbers"
            raise InputError(why, path=self.path, line=1, hint=HINT)
        return dim

    def _parsed(self, block: bytes, dim: int) -> Block | None:
        """A block in which each line is a word without blanks and its numbers; None for any other."""
        ends = next(end for end in (b" \r\n", b"\r\n", b" \n", b"\n") if block[: block.find(b"\n") + 1].endswith(end))
        if ends != b"\n":
            block = block.replace(ends, b"\n")
        columns = {"word": pl.String(), **{str(at): pl.Float32() for at in range(dim)}}
        try:
            frame = pl.read_csv(block, has_header=False, separator=" ", quote_char=None, schema=columns)
        except pl.exceptions.PolarsError:
            return None
        if sum(frame.null_count().row(0)):
            return None
        return frame["word"].to_list(), frame.drop("word").to_numpy(order="c")

    def _line_by_line(self, block: bytes, line: int, dim: int) -> Block:
        """Any block: words may hold blanks, and what is at fault is named."""
        words, rows = list[str](), list[Rows]()
        for at, one in enumerate(block[:-1].split(b"\n"), line):
            if not one.strip():
                continue
            fields = one.rstrip(b"\r ").rsplit(b" ", dim)
            row = _numbers(fields[1:])
            if len(fields) != dim + 1 or row is None:
                raise InputError(f"not a word and {dim} numbers", path=self.path, line=at, hint=HINT)
            words.append(self._decoded(fields[0]))
            rows.append(row)
        return words, np.array(rows, np.float32).reshape(-1, dim)

    def _binary(self, file: IO[bytes], rest: bytes, number: int, dim: int) -> Iterator[Block]:
        width, left = 4 * dim, number
        while left:
            words, at, starts = list[str](), 0, list[int]()
            while len(words) < left:
                blank = rest.find(b" ", at, at + LONGEST_WORD)
                if blank < 0 or blank + 1 + width > len(rest):
                    break
                words.append(self._decoded(rest[at:blank].lstrip(b"\n")))
                starts.append(blank + 1)
                at = blank + 1 + width
            if words:
                numbers = b"".join([rest[start : start + width] for start in starts])
                yield words, np.frombuffer(numbers, "<f4").reshape(-1, dim).astype(np.float32)
                left -= len(words)
            elif len(rest) > LONGEST_WORD + width:
                raise InputError("neither text nor binary vectors", path=self.path, hint=HINT)
            more = file.read(max(BLOCK, width))
            if left and not more:
                self._cut_off(number, left)
            rest = rest[at:] + more
        if rest.strip():
            why = f"bytes are left behind the {number:,} words of the first line"
            raise InputError(why, path=self.path, hint=HINT)

    def _decoded(self, word: bytes) -> str:
        try:
            return word.decode()
        except UnicodeDecodeError:
            self._undecoded += 1
            return word.decode(errors="replace")


def _is_text(line: bytes, dim: int) -> bool:
    """Whether the first entry is one of a text: it ends with so many numbers, or is printable behind its word."""
    fields = line.rsplit(b" ", dim)
    tail = line.partition(b" ")[2]
    return (len(fields) == dim + 1 and _numbers(fields[1:]) is not None) or (bool(tail) and PRINTABLE.issuperset(tail))


def _numbers_at_end(line: bytes) -> int:
    """How many fields at the end of a line are numbers, the first left out."""
    fields = line.rstrip(b"\r ").split(b" ")[1:]
    for count, one in enumerate(reversed(fields)):
        if _numbers([one]) is None:
            return count
    return len(fields)


def _numbers(parts: Sequence[bytes]) -> Rows | None:
    try:
        return np.array([float(part) for part in parts], np.float32)
    except ValueError:
        return None
