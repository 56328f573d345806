"""MatrixMarket's coordinate format (Boisvert et al., 1996): a size line, then ``row column value``, counted from 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from negatives.data.readers.base import TableReader
from negatives.data.readers.blocks import blocks
from negatives.data.readers.delimited import single_blanks
from negatives.data.readers.frames import Block, Frames, Ints
from negatives.data.readers.schema import Options, Schema
from negatives.errors import InputError

BANNER = b"%%MatrixMarket"
FIELDS = ("pattern", "real", "integer", "double")
SYMMETRIES = ("general", "symmetric", "skew-symmetric")
SPARSE = "give a matrix 'coordinate pattern general', or its like"


@dataclass(frozen=True, slots=True)
class Head:
    """What the lines in front of the entries say.

    Args:
        values: Whether an entry has a value.
        symmetry: One of :data:`SYMMETRIES`.
        rows: Rows of the matrix.
        columns: Its columns.
        entries: Entries that follow.
        line: Line of the sizes.
    """

    values: bool
    symmetry: str
    rows: int
    columns: int
    entries: int
    line: int


class MatrixMarket(TableReader):
    """A sparse matrix: a row is a user or a source, a column an item or a target; entries of zero are none."""

    suffixes = (".mtx",)

    def recognises(self, head: bytes) -> bool:
        return head.lower().startswith(BANNER.lower())

    def frames(self, path: Path, schema: Schema, options: Options) -> Frames:
        head = read_head(path)
        if "source" in schema and head.rows != head.columns:
            fault = f"a matrix of {head.rows:,} rows and {head.columns:,} columns is no graph of one kind of node"
            hint = "train recommend on it, or give a square matrix"
            raise InputError(fault, path=path, line=head.line, hint=hint)
        names = [role.name for role in schema.needed][:2]
        return Entries(path, head, names if len(names) == 2 else ["row", "column"])


class Entries(Frames):
    """Places of a matrix, and their values."""

    def __init__(self, path: Path, head: Head, names: Sequence[str]) -> None:
        self.head, self.path = head, path
        self._names = [*names, "value"] if head.values else list(names)
        told = f"MatrixMarket, {head.symmetry}, {head.rows:,} × {head.columns:,}, {head.entries:,} entries"
        if head.symmetry != "general":
            told += "; each stands for both directions"
        elif head.rows == head.columns and names[0] == "source":
            told += "; not symmetric, so its links may have a direction: --set reading.directed=true"
        first = next(self._entries(1 << 16), None)
        sample = pl.DataFrame(schema=dict.fromkeys(self._names, pl.Int64)) if first is None else first[0].head(1000)
        super().__init__(path, self._names, sample, (f"{path.name}: {told}",))

    def blocks(self, columns: Sequence[str], ids: Sequence[str] = ()) -> Iterator[Block]:
        seen = zeros = 0
        for frame, lines in self._entries():
            seen += len(frame)
            if seen > self.head.entries:
                at = int(lines[len(frame) - (seen - self.head.entries)])
                fault = f"more than the {self.head.entries:,} entries of the size line"
                raise InputError(fault, path=self.path, line=at, hint="mend the size line")
            if self.head.values and bool((none := frame["value"] == 0).any()):
                zeros += int(none.sum())
                frame, lines = frame.filter(~none), lines[~none.to_numpy()]
            frame, lines = self._both(frame, lines)
            yield Block(frame.select(columns), _same(lines))
        if seen != self.head.entries:
            fault = f"the size line promises {self.head.entries:,} entries, {seen:,} follow"
            hint = "the file may be cut off; fetch it again"
            raise InputError(fault, path=self.path, line=self.head.line, hint=hint)
        if zeros:
            self.notes.append(f"{self.path.name}: {zeros:,} entries of zero skipped")

    def _both(self, frame: pl.DataFrame, lines: Ints) -> tuple[pl.DataFrame, Ints]:
        """Entries with those that a symmetric matrix leaves out."""
        if self.head.symmetry == "general":
            return frame, lines
        row, column, *_ = self._names
        other = frame.filter(frame[row] != frame[column])
        at = lines[(frame[row] != frame[column]).to_numpy()]
        turned = other.select(pl.col(column).alias(row), pl.col(row).alias(column), *_)
        return pl.concat([frame, turned]), np.concatenate([lines, at])

    def _entries(self, size: int = 1 << 24) -> Iterator[tuple[pl.DataFrame, Ints]]:
        for first, block in blocks(self.path, size):
            skip = max(0, self.head.line + 1 - first)
            text = block.split(b"\n")[:-1]
            kept = np.array([at for at, one in enumerate(text) if at >= skip and one.strip()], np.int64)
            if kept.size:
                bare = b"".join(text[at] + b"\n" for at in kept) if kept.size < len(text) else block
                yield self._parsed(bare, first + kept), first + kept

    def _parsed(self, block: bytes, lines: Ints) -> pl.DataFrame:
        width = len(self._names)
        rows = pl.Series(single_blanks(block).decode().split("\n")[:-1])
        cells = rows.str.split_exact(" ", width).struct.unnest()
        places = [cells.to_series(at).cast(pl.Int64, strict=False) for at in range(2)]
        limits = (self.head.rows, self.head.columns)
        good = places[0].is_between(1, limits[0]) & places[1].is_between(1, limits[1])
        value = cells.to_series(2).cast(pl.Float64, strict=False) if width == 3 else None
        if value is not None:
            good &= value.is_not_null()
        good &= cells.to_series(width).is_null()
        wrong = (~good.fill_null(False)).arg_true()
        if len(wrong):
            shown, what = rows[int(wrong[0])][:40], " ".join(("row", "column", "value")[:width])
            hint = f"an entry is '{what}', counted from 1 to {limits[0]:,} and {limits[1]:,}"
            raise InputError(f"{shown!r} is no entry", path=self.path, line=int(lines[int(wrong[0])]), hint=hint)
        found = dict(zip(self._names, (*places, value), strict=False))
        return pl.DataFrame(found)


def read_head(path: Path) -> Head:
    """The banner and the size line.

    Raises:
        InputError: They are none, or those of a dense or complex matrix.
    """
    words: list[str] = []
    for first, block in blocks(path, 1 << 16):
        for line, text in enumerate(block.decode(errors="replace").split("\n")[:-1], first):
            if not words:
                words = text.lower().split()
                if len(words) != 5 or words[0] != BANNER.decode().lower():
                    hint = "the first line must be '%%MatrixMarket matrix coordinate pattern general', or its like"
                    raise InputError("no banner of MatrixMarket", path=path, line=1, hint=hint)
                if words[2] != "coordinate" or words[3] not in FIELDS or words[4] not in SYMMETRIES:
                    raise InputError(f"a matrix {' '.join(words[2:])} is not read", path=path, line=1, hint=SPARSE)
            elif text.strip() and not text.lstrip().startswith("%"):
                sizes = text.split()
                if len(sizes) != 3 or not all(size.isdecimal() and len(size) < 19 for size in sizes):
                    hint = "the size line is 'rows columns entries'"
                    raise InputError(f"{text[:40]!r} is no size line", path=path, line=line, hint=hint)
                rows, columns, entries = map(int, sizes)
                return Head(words[3] != "pattern", words[4], rows, columns, entries, line)
    raise InputError("no size line", path=path, line=1, hint="the file may be cut off; fetch it again")


def _same(lines: Ints) -> Callable[[], Ints]:
    return lambda: lines
