"""Tables of text: CSV, TSV, RecBole's ``.inter``, ``::`` files, with or without a header."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from negatives.data.readers.base import Reader
from negatives.data.readers.blocks import blocks, inner_suffix
from negatives.data.readers.gather import Gather
from negatives.data.readers.roles import KNOWN, guess_roles, plain
from negatives.data.readers.sniff import first_lines, separator_of
from negatives.data.table import Columns, Table
from negatives.errors import InputError


def read_delimited(path: Path, columns: Columns) -> Table:
    """Read one pair per line, in blocks.

    Raises:
        InputError: One column, ragged lines, ids missing, or no pair.
    """
    lines = first_lines(path)
    separator = separator_of(lines)
    quoted = re.search(f'(^|{re.escape(separator)})"', "\n".join(lines), re.MULTILINE) is not None
    sample = _frame(path, _single("\n".join(lines).encode(), separator), separator, quoted, None, 1)
    header = has_header(sample, columns, inner_suffix(path) == ".inter")
    if header:
        names = [str(name).strip() if name else f"column_{i + 1}" for i, name in enumerate(sample.row(0))]
        if len(set(names)) < len(names):
            raise InputError("two columns have the same name", path=path, line=1, hint="rename one of them")
        sample = sample.slice(1).rename(dict(zip(sample.columns, names, strict=True)))
    roles = guess_roles(path, sample, columns)
    gather = Gather(path, roles, columns)
    skip = header
    for line, block in blocks(path):
        frame = _frame(path, _single(block, separator), separator, quoted, sample.columns, line)
        starts = line + _leading_blank(block)
        frame = frame.slice(1) if skip else frame
        gather.add(frame.select(gather.wanted()), starts + skip)
        skip = False
    table = gather.table()
    note = f"{path.name}: {'header found' if header else 'no header'}, separator {separator!r}"
    return Table(table.users, table.items, table.times, (note, *table.notes))


def has_header(sample: pl.DataFrame, columns: Columns, always: bool) -> bool:
    """Whether the first row names the columns: by a known name, or text above numbers."""
    first = [str(value or "").strip() for value in sample.row(0)]
    if always or {columns.user, columns.item, columns.time, columns.rating} & set(first):
        return True
    if any(plain(value) in known for value in first for known in KNOWN.values()):
        return True
    rest = sample.slice(1)
    if len(rest) == 0:
        return False
    for value, column in zip(first, rest.iter_columns(), strict=True):
        numeric = column.cast(pl.Float64, strict=False).null_count() == 0
        if numeric and re.search("[A-Za-z]", value) and value.lower() != "nan":
            return True
    return False


def _single(block: bytes, separator: str) -> bytes:
    """The block with a separator of one byte, which the parser needs."""
    if separator == "::":
        return block.replace(b"::", b"\t")
    return re.sub(rb" {2,}", b" ", block) if separator == " " and b"  " in block else block


def _leading_blank(block: bytes) -> int:
    return block[: len(block) - len(block.lstrip(b"\r\n"))].count(b"\n")


def _frame(path: Path, block: bytes, separator: str, quoted: bool, names: list[str] | None, line: int) -> pl.DataFrame:
    """All columns of a block as text."""
    single = "\t" if separator == "::" else separator
    width = len(names) if names else block.lstrip(b"\r\n").split(b"\n", 1)[0].count(single.encode()) + 1
    try:
        return pl.read_csv(
            block,
            has_header=False,
            separator=single,
            quote_char='"' if quoted else None,
            infer_schema=False,
            schema=None if quoted and names is None else dict.fromkeys(names or _anonymous(width), pl.String),
        )
    except pl.exceptions.PolarsError as error:
        for at, text in enumerate(block.split(b"\n")):
            if text.count(single.encode()) + 1 > width:
                found = text.count(single.encode()) + 1
                hint = "give every line the same columns, and quote values that hold the separator"
                raise InputError(
                    f"{found} columns where {width} are expected", path=path, line=line + at, hint=hint
                ) from error
        reason = str(error).partition("\n")[0]
        raise InputError(f"not a table ({reason})", path=path, line=line, hint="check the quotes") from error


def _anonymous(width: int) -> list[str]:
    return [f"column_{i + 1}" for i in range(width)]


class Delimited(Reader):
    """Tables of text with one pair per line."""

    suffixes = (".csv", ".tsv", ".inter")

    def read(self, path: Path, columns: Columns) -> Table:
        return read_delimited(path, columns)
