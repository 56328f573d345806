"""Tables of text: CSV, TSV, RecBole's atomic files, ``::`` files, columns between blanks; with or without a header."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from negatives.data.readers.base import TableReader
from negatives.data.readers.blocks import LONGEST, blocks, last_line
from negatives.data.readers.frames import Block, Builder, Frames, Ints, anonymous, counted, distinct_names
from negatives.data.readers.opening import inner_suffix
from negatives.data.readers.schema import Options, Schema, plain
from negatives.data.readers.sniff import COMMENTS, NAMES, Dialect, dialect_of, first_lines, quoted_cells
from negatives.errors import InputError

if TYPE_CHECKING:
    from negatives.data.readers.coded import CodedColumns  # which imports PyTorch and kernels

LARGE = 1 << 22
"""Bytes of a file from which compiled passes are worth their start."""
ATOMIC = (".inter", ".kg", ".link", ".net", ".user", ".item")
"""RecBole's files always have a header."""
SUFFIXES = (".csv", ".tsv", ".tab", *ATOMIC)
MARKS = tuple(mark.encode() for mark in COMMENTS)
SEPARATOR = re.compile(r"sep=(.)")
_UNIT = "\x1f"
"""Stands for a separator of several characters, which the parser does not know."""


class Delimited(TableReader):
    """Tables of text with one record per line."""

    suffixes = SUFFIXES
    loose = True

    def frames(self, path: Path, schema: Schema, options: Options) -> Frames:
        return DelimitedFrames(path, schema, options)


class DelimitedFrames(Frames):
    """The columns of a table of text, all as text; an empty cell is null."""

    def __init__(self, path: Path, schema: Schema, options: Options, known: Sequence[str] = ()) -> None:
        """The columns of a file.

        Args:
            path: The file.
            schema: What the task wants of a row.
            options: What the caller says.
            known: Names of the columns that the format has where it has no header; not used where the file has other
                columns, or the caller numbers them.
        """
        suffix = inner_suffix(path)
        lines = first_lines(path, options.encoding)
        top = _comments_on_top(lines)
        self._top = sum(line.startswith(COMMENTS) for line in top)
        excel = SEPARATOR.fullmatch(top[0]) if top else None
        self._skipped, self._comments = len(top) if not schema.comments else int(excel is not None), schema.comments
        self._ragged = schema.ragged
        rest = lines[len(top) :]
        if schema.comments:
            rest = [line for line in rest if not line.lstrip().startswith(COMMENTS)]
        if not rest:
            raise InputError("holds comments only", path=path, line=1, hint=f"give {schema.example}")
        if excel is not None and options.separator is None:
            options = replace(options, separator=excel[1])
        self._dialect = _dialect(options, rest, suffix)
        self._encoding = options.encoding
        self._coded: CodedColumns | None = None
        records = list(_records(path, self._dialect, rest, strict=False))
        rows = [row for _, row in records]
        asked = set(options.columns.values())
        width = len(rows[0])
        known = known if len(known) == width and not asked & set(anonymous(width)) else ()
        header = options.header
        if header is None:
            header = suffix in ATOMIC or (not known and is_header(rows, schema.known, asked))
        if not header and top and (named := _named_by_comment(top[-1], self._dialect, width, schema)):
            names = distinct_names(named)
        else:
            names = distinct_names(rows[0]) if header else list(known) or anonymous(width)
        self._skip = header
        if "source" in schema and self._dialect.separator == " " and len({len(row) for row in rows}) > 1:
            self.advice = "lines 'node node node ...' need --set reading.format=adjacency; mend such rows"
        body = rows[1:] if header else rows
        sample = pl.DataFrame(
            {name: [_cell(row, place) for row in body] for place, name in enumerate(names)},
            schema=dict.fromkeys(names, pl.String),
        )
        told = "header found" if header else "no header"
        super().__init__(
            path, names, sample, (f"{path.name}: {told}, {self._dialect}",), header or names != anonymous(width)
        )

    def blocks(self, columns: Sequence[str], ids: Sequence[str] = ()) -> Iterator[Block]:
        skip, comments, marked = self._skip, self._skipped, -self._top
        separator = self._dialect.separator.encode()
        ending = quoted_ending(self._dialect.separator) if self._dialect.quoted else last_line
        if ids and len(separator) == 1 and separator != b" " and self.path.stat().st_size >= LARGE:
            from negatives.data.readers.coded import CodedColumns

            self._coded = CodedColumns(self.sample, ids, separator[0])
        for line, raw in blocks(self.path, ending=ending, encoding=self._encoding):
            if not (skip or comments) and (found := self._even(raw, columns, line)) is not None:
                yield found
                continue
            block, kept = self._bare(raw, comments)
            comments = 0
            if self._comments and kept is not None:
                marked += sum(one.lstrip().startswith(MARKS) for one in raw.split(b"\n"))
            if block and skip and not (self._dialect.quoted and b'"' in block):
                first = block.index(b"\n") + 1
                block, kept = block[first:], np.arange(1, block.count(b"\n")) if kept is None else kept[1:]
                skip = False
            if not block:
                continue
            frame, record_lines = self._parsed(block, columns, line, kept)
            if skip:
                frame, skip = frame.slice(1), False
                record_lines = _after_first(record_lines)
            yield Block(frame, record_lines)
        if marked > 0:
            self.notes.append(f"{self.path.name}: {marked:,} lines below the first that begin with #, % or // skipped")

    def builder(self, column: str) -> Builder:
        found = None if self._coded is None else self._coded.builder(column)
        return found or super().builder(column)

    def _even(self, raw: bytes, columns: Sequence[str], line: int) -> Block | None:
        """A block in which every line has all cells, none in quotation marks, by compiled passes; None for any other.

        Such passes refuse blank lines, which need not be looked for then.
        """
        if self._coded is None or self._comments or (self._dialect.quoted and b'"' in raw):
            return None
        known = self._coded.read(raw)
        if len(known) < len(self._coded.places):
            return None
        rest = [name for name in columns if name not in known]
        frame, n = pl.DataFrame(known), len(next(iter(known.values())))
        if rest:
            others = self._fast(raw, rest, None)
            if others is None or len(others) != n:
                return None
            frame = frame.with_columns(others.get_columns())
        return Block(frame.select(columns), counted(line, n))

    def _bare(self, raw: bytes, comments: int) -> tuple[bytes, Ints | None]:
        """The block without blank lines and comments, and which of its lines stay; None for all."""
        marked = self._comments and (raw.startswith(MARKS) or any(b"\n" + mark in raw for mark in MARKS))
        blank = raw[:1] in b"\r\n \t" or b"\n\n" in raw or b"\n\r\n" in raw
        blank = blank or ((b"\n " in raw or b"\n\t" in raw) and re.search(rb"\n[ \t\r]*\n", raw) is not None)
        if not (marked or blank or comments) or (self._dialect.quoted and b'"' in raw and not (marked or comments)):
            return raw, None
        lines = raw.split(b"\n")[:-1]
        kept = [
            place
            for place, one in enumerate(lines)
            if one.strip(b" \t\r") and not (self._comments and one.lstrip().startswith(MARKS))
        ]
        kept = kept[comments:]
        return b"".join(lines[place] + b"\n" for place in kept), np.array(kept, np.int64)

    def _parsed(
        self, block: bytes, columns: Sequence[str], line: int, kept: Ints | None
    ) -> tuple[pl.DataFrame, Callable[[], Ints]]:
        """The wanted columns of whole lines, and where the records stand."""
        n = block.count(b"\n")
        lines = counted(line, n) if kept is None else lambda: line + kept
        known: dict[str, pl.Series] = {}
        frame: pl.DataFrame | None = None
        if not (self._dialect.quoted and b'"' in block):
            known = {} if self._coded is None else self._coded.read(block)
            rest = [name for name in columns if name not in known]
            frame = self._fast(block, rest, None) if rest else pl.DataFrame(known)
        elif not _odd_lines(block).size:
            frame = self._fast(block, columns, '"')
        if frame is None or len(frame) != n:
            frame, lines = self._slow(block, columns, lines())
            known = {}
        if self._coded is not None:
            coded = self._coded.coded
            known |= {name: self._coded.codes(frame[name]) for name in frame.columns if name in coded - known.keys()}
        return frame.with_columns(known.values()).select(columns), lines

    def _fast(self, block: bytes, columns: Sequence[str], quote: str | None) -> pl.DataFrame | None:
        """What the parser of polars makes of a block; None where it refuses."""
        separator = self._dialect.separator
        if separator == " ":
            block, separator = single_blanks(block), " "
        elif len(separator) > 1:
            block, separator = block.replace(separator.encode(), _UNIT.encode()), _UNIT
        try:
            frame = pl.read_csv(
                block,
                has_header=False,
                separator=separator,
                quote_char=quote,
                infer_schema=False,
                schema=dict.fromkeys(self.names, pl.String),
                columns=[self.names.index(name) for name in columns],
                truncate_ragged_lines=self._ragged,
            )
            return frame.select(columns)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return None

    def _slow(self, block: bytes, columns: Sequence[str], lines: Ints) -> tuple[pl.DataFrame, Callable[[], Ints]]:
        """The same record by record, for quotation marks that are no quotes, and to name what is wrong."""
        width, places = len(self.names), [self.names.index(name) for name in columns]
        found: list[list[str | None]] = [[] for _ in columns]
        at: list[int] = []
        text = block.decode().split("\n")[:-1]
        for place, row in _records(self.path, self._dialect, text, lines_at=lines):
            number = int(lines[place])
            if len(row) > width and not self._ragged:
                hint = "give every line the same columns, and quote values that hold the separator"
                fault = f"{len(row)} columns where {width} are expected"
                raise InputError(fault, path=self.path, line=number, hint=hint)
            for values, column in zip(found, places, strict=True):
                values.append(_cell(row, column))
            at.append(number)
        frame = pl.DataFrame(dict(zip(columns, found, strict=True)), schema=dict.fromkeys(columns, pl.String))
        return frame, lambda: np.array(at, np.int64)


def is_header(rows: Sequence[Sequence[str]], known: frozenset[str], asked: set[str]) -> bool:
    """Whether the first row names the columns: by names that are known or asked for, or as text above numbers.

    One known name alone tells nothing where it is a single letter, or where it stands below too; nor do several single
    letters of which one stands below, as the nodes of a small graph.
    """
    first, rest = [cell.strip() for cell in rows[0]], rows[1:]
    if asked & set(first) and not asked & set(anonymous(len(first))):
        return True
    hits = [name for cell in first if (name := plain(cell)) in known]
    letters = all(len(name) == 1 for name in hits) and any(plain(cell) in hits for row in rest for cell in row)
    if len(hits) >= 2 and not letters:
        return True
    columns = [[row[place].strip() for row in rest if len(row) > place] for place in range(len(first))]
    if (
        rest
        and any(len(name) > 1 for name in hits)
        and not any(cell in below for cell, below in zip(first, columns, strict=True))
    ):
        return True
    if _words_above_texts(first, columns):
        return True
    above = [
        bool(below) and all(map(_is_number, below)) and _is_word(cell)
        for cell, below in zip(first, columns, strict=True)
    ]
    return all(above) or (any(above) and len(rest) > 1)


def _is_word(cell: str) -> bool:
    return re.search(r"[^\W\d_]", cell) is not None and not _is_number(cell)


def _words_above_texts(first: Sequence[str], columns: Sequence[Sequence[str]]) -> bool:
    """Whether two columns or more are texts of several words, and above each of them stands one word alone."""
    texts = [place for place, below in enumerate(columns) if 2 * sum(" " in cell for cell in below) > len(below) > 0]
    return len(texts) > 1 and all(re.fullmatch(r"[^\W\d]\w{0,30}", first[place]) for place in texts)


def _is_number(cell: str) -> bool:
    if cell.lower() in ("", "nan", "null", "none"):
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _dialect(options: Options, lines: list[str], suffix: str) -> Dialect:
    if options.separator is None:
        return dialect_of(lines, suffix)
    separator = NAMES.get(options.separator, options.separator.replace("\\t", "\t"))
    return Dialect(separator, separator not in ("\t", " ") and any('"' in line for line in lines))


def _comments_on_top(lines: list[str]) -> list[str]:
    """Lines in front of the data that a mark declares to be comments, and that in which Excel names the separator."""
    for place, line in enumerate(lines):
        if not line.startswith(COMMENTS) and not (place == 0 and SEPARATOR.fullmatch(line)):
            return lines[:place]
    return lines


def _named_by_comment(line: str, dialect: Dialect, width: int, schema: Schema) -> list[str] | None:
    """The names of the columns where the last comment on top gives them, as in ``# FromNodeId ToNodeId``."""
    cells = dialect.cells(line.lstrip("#%/ "))
    hits = sum(plain(cell) in schema.known for cell in cells)
    return cells if len(cells) == width and hits >= 2 else None


def _cell(row: Sequence[str], place: int) -> str | None:
    return row[place] or None if place < len(row) else None


def _records(
    path: Path, dialect: Dialect, lines: Sequence[str], *, lines_at: Ints | None = None, strict: bool = True
) -> Iterator[tuple[int, list[str]]]:
    """Records of some lines, each with the place of its first line; blank lines are left out.

    Raises:
        InputError: A quotation mark opens a cell and is not closed.
    """
    if not (dialect.quoted and len(dialect.separator) == 1):
        for place, line in enumerate(lines):
            if line.strip(" \t\r"):
                yield place, dialect.cells(line.removesuffix("\r"))
        return
    csv.field_size_limit(LONGEST)
    reader = csv.reader((line + "\n" for line in lines), delimiter=dialect.separator)
    start = 0
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            number = None if lines_at is None else int(lines_at[start])
            raise InputError(f"not a table ({error})", path=path, line=number, hint="check the quotes") from error
        if row and strict and any(cell.endswith("\n") for cell in row[-1:]) and reader.line_num == len(lines):
            number = None if lines_at is None else int(lines_at[start])
            hint = "close it, or double a mark that is a character"
            raise InputError("a quotation mark opens a cell and is not closed", path=path, line=number, hint=hint)
        if row:
            yield start, row
        start = reader.line_num


def _odd_lines(block: bytes) -> Ints:
    """Lines, counted from zero, with an odd number of quotation marks."""
    raw = np.frombuffer(block, np.uint8)
    ends, marks = np.flatnonzero(raw == 10), np.flatnonzero(raw == 34)
    return np.flatnonzero(np.bincount(np.searchsorted(ends, marks), minlength=1) & 1)


def quoted_ending(separator: str) -> Callable[[bytes], int]:
    """Where whole records end when a cell in quotation marks may hold line feeds."""

    def ending(block: bytes) -> int:
        end = last_line(block)
        if b'"' not in block:
            return end
        odd = _odd_lines(block[:end])
        if not odd.size:
            return end
        ends = np.flatnonzero(np.frombuffer(block[:end], np.uint8) == 10)
        opened: int | None = None
        for at in odd.tolist():
            begin = 0 if at == 0 else int(ends[at - 1]) + 1
            if opened is not None:
                opened = None
            elif _opens(block[begin : int(ends[at])].decode(errors="replace"), separator):
                opened = begin
        return end if opened is None else opened

    return ending


def _opens(line: str, separator: str) -> bool:
    """Whether a quotation mark opens a cell of the line that does not end in it."""
    row = quoted_cells(line + "\n", separator)
    return bool(row) and row[-1].endswith("\n")


def single_blanks(block: bytes) -> bytes:
    """Lines whose cells stand between single blanks."""
    block = block.replace(b"\t", b" ").replace(b"\r\n", b"\n")
    while b"  " in block:
        block = block.replace(b"  ", b" ")
    return block.replace(b"\n ", b"\n").replace(b" \n", b"\n").removeprefix(b" ")


def _after_first(lines: Callable[[], Ints]) -> Callable[[], Ints]:
    return lambda: lines()[1:]
