"""Edge lists: two nodes on each line, separated by blanks, tabs, commas or semicolons, with or without a header."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from negatives.data.readers.blocks import blocks, inner_suffix
from negatives.data.readers.formats import reader_of
from negatives.data.table import Columns, Table
from negatives.errors import InputError
from negatives.registry import suggest

Ints = npt.NDArray[np.int64]
ENDINGS = (".txt", ".csv", ".tsv", ".edges", ".edgelist", ".el", ".dat", "")
COMMENTS = (b"#", b"%", b"//")
SOURCE = ("source", "src", "from", "u", "head", "node1", "id1", "a", "sourceid", "fromnodeid", "start")
TARGET = ("target", "dst", "to", "v", "tail", "node2", "id2", "b", "targetid", "tonodeid", "end", "destination")
HINT = "write one edge per line: 'u v', separated by a blank, a tab or a comma"


@dataclass(frozen=True, slots=True)
class EdgeTable:
    """Edges as they stand in one file.

    Args:
        path: The file.
        sources: ``(n,)`` int64 or text.
        targets: ``(n,)`` of the same type.
        lines: ``(n,)`` int64, where each edge stands, counted from one.
        notes: What was taken for what, and what was skipped.
    """

    path: Path
    sources: pl.Series
    targets: pl.Series
    lines: Ints
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.sources)


@dataclass(frozen=True, slots=True)
class _Layout:
    separator: str
    header: bool
    names: list[str]
    source: int
    target: int


def read_edges(path: Path, source: str | None = None, target: str | None = None) -> EdgeTable:
    """Read a text file of edges, compressed or not, or a file of another format that a row of the readers takes.

    Lines that begin with ``#``, ``%`` or ``//`` and blank lines are skipped and counted.

    Args:
        path: The file.
        source: Name of the column with the first node; guessed when left out.
        target: Name of the column with the second node; guessed when left out.

    Raises:
        InputError: A line has one column or too many, an id is missing or a negative number, or there is no edge.
    """
    reader = None if inner_suffix(path) in ENDINGS else reader_of(path)
    if reader is not None:
        return _from_table(path, reader.read(path, Columns(user=source, item=target)))
    layout: _Layout | None = None
    columns: tuple[list[pl.Series], list[pl.Series]] = ([], [])
    where: list[Ints] = []
    comments = blank = 0
    for first, block in blocks(path):
        rows, lines, skipped = _rows(block, first)
        comments += skipped
        blank += block.count(b"\n") - len(rows) - skipped
        if layout is None and rows:
            layout = _layout(path, rows, int(lines[0]), source, target)
            rows, lines = (rows[1:], lines[1:]) if layout.header else (rows, lines)
        if layout is None or not rows:
            continue
        frame = _frame(path, rows, lines, layout)
        for into, place in zip(columns, (layout.source, layout.target), strict=True):
            into.append(_checked(path, frame.to_series(place), lines, layout.names[place]))
        where.append(lines)
    if layout is None or not where:
        raise InputError("holds no edge", path=path, line=1, hint=HINT)
    notes = [_preview(path, layout)]
    notes += [f"{path.name}: {comments:,} comment lines skipped"] if comments else []
    notes += [f"{path.name}: {blank:,} blank lines skipped"] if blank else []
    lines = np.concatenate(where)
    sources, targets = _typed(path, pl.concat(columns[0]), pl.concat(columns[1]), lines)
    return EdgeTable(path, sources, targets, lines, tuple(notes))


def _from_table(path: Path, table: Table) -> EdgeTable:
    """The edges of a format that other tasks read too; each row counts as a line."""
    lines = np.arange(1, len(table) + 1)
    sources, targets = _typed(path, table.users.cast(pl.String), table.items.cast(pl.String), lines)
    return EdgeTable(path, sources, targets, lines, table.notes)


def _rows(block: bytes, first: int) -> tuple[list[bytes], Ints, int]:
    """Lines that hold something, their numbers, and how many were comments."""
    every = [line.strip() for line in block.split(b"\n")]
    kept = [(number, line) for number, line in enumerate(every, first) if line]
    rows = [(number, line) for number, line in kept if not line.startswith(COMMENTS)]
    numbers = np.fromiter((number for number, _ in rows), np.int64, len(rows))
    return [line for _, line in rows], numbers, len(kept) - len(rows)


def _layout(path: Path, rows: list[bytes], line: int, source: str | None, target: str | None) -> _Layout:
    sample = [row.decode(errors="replace") for row in rows[:20]]
    separator = _separator(sample, inner_suffix(path))
    cells = [_cells(row, separator) for row in sample]
    if len(cells[0]) < 2:
        raise InputError("one column, where an edge needs two", path=path, line=line, hint=HINT)
    keys = [re.sub(r"[^a-z0-9]", "", cell.lower()) for cell in cells[0]]
    named = bool(source or target) or (keys[0] in SOURCE and keys[1] in TARGET)
    numbers = [all(re.fullmatch(r"-?\d+", row[place]) for row in cells[1:] if len(row) > place) for place in (0, 1)]
    words = [re.search(r"[A-Za-z]", cells[0][place]) is not None for place in (0, 1)]
    header = named or (len(cells) > 1 and all(numbers) and all(words)) or bool(set(keys) & set(TARGET) and all(words))
    names = cells[0] if header else [f"column {place + 1}" for place in range(len(cells[0]))]
    places = [_place(path, names, keys, given, known, default) for given, known, default in
              ((source, SOURCE, 0), (target, TARGET, 1))]  # fmt: skip
    return _Layout(separator, header, names, *places)


def _separator(sample: list[str], suffix: str) -> str:
    if suffix == ".csv" or all("," in row for row in sample):
        return ";" if all(";" in row and "," not in row for row in sample) else ","
    if all(";" in row for row in sample):
        return ";"
    return "\t" if suffix == ".tsv" or all(row.count("\t") == 1 and " " in row for row in sample) else " "


def _cells(row: str, separator: str) -> list[str]:
    cells = row.split() if separator == " " else row.split(separator)
    return [cell.strip().strip('"') for cell in cells]


def _place(
    path: Path, names: list[str], keys: list[str], given: str | None, known: tuple[str, ...], default: int
) -> int:
    if given is not None:
        if given not in names:
            raise InputError(f"no column is called {given!r}", path=path, line=1, hint=suggest(given, names))
        return names.index(given)
    return next((place for place, key in enumerate(keys) if key in known and names[0] != "column 1"), default)


def _frame(path: Path, rows: list[bytes], lines: Ints, layout: _Layout) -> pl.DataFrame:
    """All columns of some lines as text; missing cells are null."""
    separator, width = layout.separator, len(layout.names)
    block = b"\n".join(rows)
    if separator == " ":
        block = re.sub(rb"[ \t]+", b" ", block)
    names = [f"column_{place}" for place in range(width)]
    try:
        return pl.read_csv(
            block,
            has_header=False,
            separator=separator,
            quote_char='"' if b'"' in block else None,
            infer_schema=False,
            schema=dict.fromkeys(names, pl.String),
        )
    except pl.exceptions.PolarsError as error:
        for row, line in zip(block.split(b"\n"), lines.tolist(), strict=True):
            found = len(_cells(row.decode(errors="replace"), separator))
            if found > width:
                raise InputError(
                    f"{found} columns where {width} are expected", path=path, line=line, hint=HINT
                ) from error
        raise InputError(f"not a table ({str(error).partition(chr(10))[0]})", path=path, hint=HINT) from error


def _checked(path: Path, column: pl.Series, lines: Ints, name: str) -> pl.Series:
    """The column without quotes and blanks around its names.

    Raises:
        InputError: A cell is empty; names the line.
    """
    column = column.str.strip_chars()
    empty = column.is_null() | (column == "")
    if bool(empty.any()):
        line = int(lines[int(empty.arg_true()[0])])
        raise InputError(f"no node stands in {name}", path=path, line=line, hint=HINT)
    return column


def _typed(path: Path, sources: pl.Series, targets: pl.Series, lines: Ints) -> tuple[pl.Series, pl.Series]:
    """int64 where every name is a plain whole number, else text.

    Raises:
        InputError: The names are numbers and one is negative; names the line.
    """
    numbers = [column.cast(pl.Int64, strict=False) for column in (sources, targets)]
    for column, number in zip((sources, targets), numbers, strict=True):
        if number.null_count() or not bool((number.cast(pl.String) == column).all()):
            return sources, targets
    below = (numbers[0] < 0) | (numbers[1] < 0)
    if bool(below.any()):
        at = int(below.arg_true()[0])
        wrong = min(int(column[at]) for column in numbers)
        hint = "number the nodes from 0, or remove the line"
        raise InputError(f"the node id {wrong} is negative", path=path, line=int(lines[at]), hint=hint)
    return numbers[0], numbers[1]


def _preview(path: Path, layout: _Layout) -> str:
    taken = f"source = {layout.names[layout.source]}, target = {layout.names[layout.target]}"
    rest = [name for place, name in enumerate(layout.names) if place not in (layout.source, layout.target)]
    return f"{path.name}: {taken}" + (f"; skipped: {', '.join(rest)}" if rest else "")
