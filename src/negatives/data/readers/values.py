"""Cells as values: names, numbers, times and labels, with null for what is missing or cannot be understood."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import polars as pl

from negatives.errors import InputError

MISSING = ("", "nan", "null", "none", "<na>", "na", "n/a", "nil", "\\n")
"""Text that means nothing stands there, in lower case; written as a name by other software."""
SEPARATORS = ("|", ";", ",")
"""What may stand between the labels of one cell."""
EARLIEST_TIME, LATEST_TIME = 6.3e8, 4.2e9
"""Seconds since 1970 that may be a time by their look: from 1990 to 2100; other numbers are names."""
NANO, MICRO, MILLI = 1e17, 1e14, 1e11
"""From these on a whole number counts nano-, micro- or milliseconds since 1970."""
TIMES = (
    "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%Y/%m/%d %H:%M:%S%.f", "%Y/%m/%d %H:%M", "%Y/%m/%d",
    "%Y.%m.%d %H:%M:%S%.f", "%Y.%m.%d", "%Y%m%d %H:%M:%S", "%d %b %Y %H:%M:%S", "%d %b %Y", "%b %d, %Y", "%B %d, %Y",
    "%b %d, %Y %H:%M:%S", "%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S +0000 %Y", "%d-%b-%Y", "%d-%b-%Y %H:%M:%S",
    "%m %d, %Y",
)  # fmt: skip
"""Ways to write a time that leave no doubt which number is what."""
DAY_OR_MONTH = tuple(
    f"{first}{mark}{second}{mark}{year}{clock}"
    for mark in "/.-"
    for year in ("%Y", "%y")
    for clock in ("", " %H:%M", " %H:%M:%S%.f", " %I:%M %p", " %I:%M:%S %p")
    for first, second in (("%d", "%m"), ("%m", "%d"))
)
"""Ways in which day and month can be mistaken for one another."""


_DATED = re.compile(
    r"\d[-/.]\s?\d{1,2}[-/.]\s?\d|\d{8}[ T]\d\d:|\d{1,2} \d{1,2}, \d{4}"
    r"|(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[ -]\d"
    r"|\d[ -](?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
)
"""What every date has, so that other text need not be parsed in all ways."""
_DAY_T = r"^(\d{4}[-/.]?\d\d[-/.]?\d\d)T"
_WEEKDAY = r"^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*, "
_ZONE = (
    r"(?P<clock>\d\d?:\d\d(?::\d\d(?:\.\d+)?)?)\s*"
    r"(?:[zZ]|UTC|GMT|(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d)?)$"
)


def ids(column: pl.Series) -> pl.Series:
    """Names as they stand, without blanks around them; null where none stands.

    Numbers with a fraction of zero are whole ones, as pandas writes them beside missing values.
    """
    kind = column.dtype
    if kind.is_integer():
        return column
    if kind.is_float():
        column = column.fill_nan(None)
        whole = column.cast(pl.Int64, strict=False)
        same = bool((whole.cast(kind) == column).fill_null(column.is_null()).all())
        return whole if same else column.cast(pl.String)
    if kind == pl.Boolean or kind.is_temporal() or kind.is_decimal():
        return column.cast(pl.String)
    text = column.cast(pl.String)
    if text.cast(pl.Int64, strict=False).null_count() == 0:
        return text
    return trimmed(text)


def trimmed(column: pl.Series) -> pl.Series:
    """Text without blanks around it; null where it only says that nothing is there."""
    text = column.cast(pl.String).str.strip_chars()
    short = text.str.len_bytes() <= 4
    if not bool(short.any()):
        return text
    absent = short & text.str.to_lowercase().is_in(list(MISSING)).fill_null(True)
    return text.set(absent.fill_null(True), None)


def texts(column: pl.Series) -> pl.Series:
    """Texts with what stands around them; null where there is none."""
    if column.dtype == pl.String:
        return column.set((column.str.strip_chars() == "").fill_null(True), None)
    if column.dtype.is_nested():
        return texts(column.list.first()) if lone(column) else pl.Series(column.name, said(column), dtype=pl.String)
    return column.cast(pl.String)


def lone(column: pl.Series) -> bool:
    """Whether a column of lists holds at most one text in each."""
    inner = column.dtype.inner if isinstance(column.dtype, pl.List) else None
    plain = inner is not None and not inner.is_nested()
    return plain and not bool((column.list.len() > 1).any())


def text_lists(column: pl.Series) -> pl.Series:
    """Lists of texts; a text that stands alone is a list of one, and what is missing is an empty one."""
    if not column.dtype.is_nested():
        alone = texts(column)
        found = pl.DataFrame({"alone": alone}).select(pl.concat_list("alone"))["alone"]
        return found.set(alone.is_null(), None).fill_null([])
    inner = column.dtype.inner if isinstance(column.dtype, (pl.List, pl.Array)) else None
    if inner is None or inner.is_nested():
        lists = [None if cell is None else [message(one) for one in cell] for cell in column.to_list()]
        column = pl.Series(column.name, lists, dtype=pl.List(pl.String))
    kept = pl.element().cast(pl.String)
    return column.cast(pl.List(pl.String)).list.eval(kept.filter(kept.str.strip_chars() != "")).fill_null([])


def said(column: pl.Series) -> list[str | None]:
    """What stands in a column of chat messages; null where a cell is none."""
    return [message(cell) for cell in column.to_list()]


def message(value: object) -> str | None:
    """The text of a chat message, of a list of messages, or a plain text; None where there is none.

    >>> message([{"role": "user", "content": "red shoes"}]), message("hat"), message([1])
    ('red shoes', 'hat', None)
    """
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return message(value.get("content", value.get("text")))
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        parts = [text for one in value if (text := message(one))]
        return "\n".join(parts) or None
    return None


def numbers(column: pl.Series, words: Sequence[tuple[str, float]] = ()) -> pl.Series:
    """Float64; null where no finite number stands.

    A decimal comma is a point where no point stands. Where three digits follow each comma and no zero stands before
    it, as in ``1,234``, it may as well divide thousands: such a number cannot be understood.

    Args:
        column: Cells.
        words: Words in lower case that stand for numbers.
    """
    if column.dtype.is_nested():
        return pl.Series(column.name, [None] * len(column), dtype=pl.Float64)
    if column.dtype == pl.String:
        if words:
            written = [repr(number) for _, number in words]
            column = column.str.strip_chars().str.to_lowercase().replace([word for word, _ in words], written)
        found = column.str.strip_chars().cast(pl.Float64, strict=False)
        if found.null_count() > column.null_count():
            text = column.str.strip_chars()
            comma = text.filter(text.str.contains(r"^-?\d+,\d+$").fill_null(False))
            if len(comma) and not bool(comma.str.contains(r"^-?[1-9]\d{0,2},\d{3}$").all()):
                found = found.fill_null(text.str.replace(r"^(-?\d+),(\d+)$", "$1.$2").cast(pl.Float64, strict=False))
    else:
        found = column.cast(pl.Float64, strict=False)
    return found.set((~found.is_finite()).fill_null(False), None)


def all_numbers(column: pl.Series) -> bool:
    """Whether a column holds numbers and nothing else."""
    if column.dtype == pl.String:
        filled = column.drop_nulls()
        return len(filled) > 0 and numbers(filled).null_count() == 0
    return column.dtype.is_numeric()


def times(column: pl.Series, written: str | None, scale: float = 1.0) -> pl.Series:
    """Float64 seconds since 1970; null where unreadable.

    Args:
        column: Cells.
        written: How times are written, found by :func:`time_format` or given; None for numbers and dates.
        scale: By which numbers are divided, from :func:`time_scale`.
    """
    if column.dtype.is_temporal():
        if isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is not None:
            column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return column.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 1e6
    return numbers(column) / scale if written is None else _parsed(column.cast(pl.String), written)


def time_scale(column: pl.Series) -> float:
    """What numbers must be divided by to be seconds; 1 where they are no milli-, micro- or nanoseconds since 1970."""
    if column.dtype.is_temporal() or column.dtype.is_nested():
        return 1.0
    low = numbers(column).min()
    if not isinstance(low, float):
        return 1.0
    return next((by for limit, by in ((NANO, 1e9), (MICRO, 1e6), (MILLI, 1e3)) if low >= limit), 1.0)


def _parsed(column: pl.Series, written: str) -> pl.Series:
    """Seconds of texts in one format; a zone behind the time of day counts."""
    text = _plain(column)
    zone = text.str.extract_groups(_ZONE)
    parts = {name: zone.struct.field(name) for name in ("sign", "hours", "minutes")}
    hours, minutes = (parts[name].cast(pl.Float64, strict=False).fill_null(0.0) for name in ("hours", "minutes"))
    ahead = (hours * 60 + minutes) * 60
    ahead = ahead * (1.0 - 2.0 * (parts["sign"] == "-").fill_null(False).cast(pl.Float64))
    return _moments(text.str.replace(_ZONE, "$clock"), written).dt.epoch("us").cast(pl.Float64) / 1e6 - ahead


def _plain(column: pl.Series) -> pl.Series:
    """Times without the T before the clock and without weekdays."""
    return column.str.strip_chars().str.replace(_DAY_T, "$1 ").str.replace(_WEEKDAY, "")


def _ways(first: pl.Series) -> set[str]:
    """The formats in which one text is written; looked for in one query, for each alone costs far more."""
    ways = (*TIMES, *DAY_OR_MONTH)
    every = [pl.lit(first).str.to_datetime(one, strict=False, time_unit="us").alias(one) for one in ways]
    found = pl.select(every).row(0, named=True)
    return {one for one, moment in found.items() if moment is not None}


def _moments(text: pl.Series, written: str) -> pl.Series:
    """Texts without zones in one format as moments; null where they are not in it."""
    if "%Y" in written:
        text = text.set((~text.str.contains(r"\d{4}")).fill_null(True), None)
    return text.str.to_datetime(written, strict=False, time_unit="us")


def time_format(column: pl.Series) -> tuple[str | None, bool]:
    """How the times of a sample are written, and whether another way fits as well.

    Returns:
        The format of ``strptime``, None for numbers and dates or where no way fits; True where day and month may be
        mistaken for one another. Between points the day stands first.
    """
    if column.dtype != pl.String:
        return None, False
    text = trimmed(column).drop_nulls()
    if text.is_empty() or not all(_DATED.search(one) for one in text.head(20)):
        return None, False
    bare = _plain(text).str.replace(_ZONE, "$clock")
    likely = _ways(bare.head(1))
    for one in TIMES:
        if one in likely and _moments(bare, one).null_count() == 0:
            return one, False
    fits = [one for one in DAY_OR_MONTH if one in likely and _moments(bare, one).null_count() == 0]
    return (fits[0] if fits else None), len(fits) > 1 and "." not in fits[0]


def looks_like_time(column: pl.Series) -> bool:
    """Whether the cells of a sample are dates, or numbers of seconds since 1970."""
    if column.dtype.is_temporal():
        return True
    if column.dtype.is_nested() or column.dtype == pl.Boolean:
        return False
    found = numbers(column)
    if column.dtype == pl.String and found.null_count() == len(found):
        written, _ = time_format(trimmed(column).drop_nulls().head(50))
        return written is not None
    if column.dtype == pl.String and bool(column.str.starts_with("0").any()):
        return False
    low, high = found.quantile(0.05), found.max()
    return any(
        low is not None and low >= EARLIEST_TIME * by and isinstance(high, float) and high <= LATEST_TIME * by
        for by in (1.0, 1e3, 1e6, 1e9)
    )


def label_separator(cells: Sequence[str]) -> str | None:
    """What stands between the labels of a cell, the same for all cells of the data.

    A mark behind which a blank always follows may belong to a name (``Smith, John``); it separates only where the
    pieces show it: they come again beside others, as labels do.

    >>> label_separator(["a|b", "c"]), label_separator(["Smith, John", "Doe, Jane"]), label_separator(["x"])
    ('|', None, None)
    >>> label_separator(["red, blue", "blue, green, red", "red"])
    ','
    """
    for mark in SEPARATORS:
        having = [cell for cell in cells if mark in cell]
        if having and any(re.search(re.escape(mark) + r"\S", cell) for cell in having):
            return mark
        if having and _recur([[piece.strip() for piece in cell.split(mark)] for cell in cells]):
            return mark
    return None


def _recur(cells: Sequence[Sequence[str]]) -> bool:
    """Whether the pieces of cells are labels: cells have one, two and more of them, and most come in several cells."""
    sizes = {len(pieces) for pieces in cells}
    counts = Counter(piece for pieces in cells for piece in dict.fromkeys(pieces))
    again = sum(count > 1 for count in counts.values())
    return len(sizes) > 1 and max(sizes) > 2 and 2 * again > len(counts)


def month_question(path: object, column: str, example: str) -> InputError:
    """The error that asks which number is the day."""
    fault = f"is {example!r} in {column} written day first or month first?"
    return InputError(fault, path=str(path), hint="say --set reading.time_format=%d/%m/%Y or %m/%d/%Y")
