"""Gather the pairs of a table block by block: check ids, apply the rating limit, count what is dropped."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from negatives.data.readers.roles import Roles
from negatives.data.table import Columns, Table
from negatives.errors import ConfigError, InputError

MISSING = ("", "nan", "null", "none", "<na>")


@dataclass(slots=True)
class Gather:
    """Pairs gathered so far.

    Args:
        path: File, for errors and notes.
        roles: Which column is what.
        columns: The caller's limits.
        unit: What the file counts: ``line`` or ``row``.
    """

    path: Path
    roles: Roles
    columns: Columns
    unit: str = "line"
    users: list[pl.Series] = field(default_factory=list)
    items: list[pl.Series] = field(default_factory=list)
    times: list[pl.Series] = field(default_factory=list)
    missing: int = 0
    low: int = 0

    def __post_init__(self) -> None:
        if self.columns.min_rating is not None and self.roles.rating is None:
            raise ConfigError(
                f"{self.path}: min_rating needs a rating column, and none was found; name it: split.rating=..."
            )

    def wanted(self) -> list[str]:
        """Columns that must be read."""
        roles = self.roles
        rating = roles.rating if self.columns.min_rating is not None else None
        return [name for name in (roles.user, roles.item, roles.time, rating) if name is not None]

    def add(self, frame: pl.DataFrame, first_line: int) -> None:
        """Take one block whose first row stands on ``first_line``."""
        roles, limit = self.roles, self.columns.min_rating
        users, items = _ids(self.path, frame[roles.user]), _ids(self.path, frame[roles.item])
        bad = users.is_null() | items.is_null()
        self._report(bad, first_line, f"empty or NaN id ({roles.user} or {roles.item})")
        if roles.time is not None:
            times = _times(frame[roles.time])
            self._report(times.is_null() & ~bad, first_line, f"empty or unreadable time ({roles.time})")
            bad |= times.is_null()
        keep = ~bad
        if limit is not None and roles.rating is not None:
            ratings = frame[roles.rating].cast(pl.Float64, strict=False).fill_nan(None)
            self._report(ratings.is_null() & keep, first_line, f"empty or unreadable rating ({roles.rating})")
            low = (ratings < limit).fill_null(False)
            self.low += int((low & keep).sum())
            bad |= ratings.is_null()
            keep = keep & ~low & ~ratings.is_null()
        self.missing += int(bad.sum())
        every = bool(keep.all())
        self.users.append(users if every else users.filter(keep))
        self.items.append(items if every else items.filter(keep))
        if roles.time is not None:
            self.times.append(times if every else times.filter(keep))

    def _report(self, bad: pl.Series, first_line: int, what: str) -> None:
        if self.columns.missing == "error" and bool(bad.any()):
            line = first_line + int(bad.arg_true()[0])
            hint = "mend or remove such rows, or drop them with missing = drop"
            raise InputError(what, path=self.path, line=line, hint=hint)

    def table(self) -> Table:
        """The table of all blocks.

        Raises:
            InputError: No pair is left.
        """
        users, items = _together(self.users, "user"), _together(self.items, "item")
        name = self.path.name
        notes = [self.roles.preview(name), f"{name}: {len(users):,} pairs read"]
        if self.missing:
            notes.append(f"{name}: {self.missing:,} rows with an empty or unreadable value dropped")
        if self.low:
            notes.append(f"{name}: {self.low:,} pairs with a rating below {self.columns.min_rating:g} dropped")
        if len(users) == 0:
            why = f"{self.missing:,} rows without ids, {self.low:,} below the rating limit"
            hint = "give a file with at least one pair, or lower min_rating"
            raise InputError(f"no pair is left ({why})", path=self.path, line=1, hint=hint)
        times = pl.concat(self.times).to_numpy().astype(np.float64) if self.times else None
        return Table(users, items, times, tuple(notes))


def _together(parts: list[pl.Series], name: str) -> pl.Series:
    if not parts:
        return pl.Series(name, [], dtype=pl.Int64)
    filled = [part for part in parts if len(part)] or parts[:1]
    if any(part.dtype != pl.Int64 for part in filled):
        filled = [part.cast(pl.String) for part in filled]
    return pl.concat([part.alias(name) for part in filled])


def _ids(path: Path, column: pl.Series) -> pl.Series:
    """Ids as int64 where every one is written as a plain whole number, else as text; null where missing."""
    if column.dtype.is_integer():
        return column.cast(pl.Int64)
    if column.dtype.is_float():
        column = column.fill_nan(None)
        whole = column.cast(pl.Int64, strict=False)
        same = bool((whole.cast(column.dtype) == column).fill_null(True).all())
        return whole if same else column.cast(pl.String)
    if column.dtype.is_nested():
        hint = "name a column with one id per row"
        raise InputError(f"the column {column.name} holds lists or objects", path=path, line=1, hint=hint)
    text = column.cast(pl.String)
    numbers = text.cast(pl.Int64, strict=False)
    if numbers.null_count() == 0 and bool((numbers.cast(pl.String) == text).all()):
        return numbers
    text = text.str.strip_chars()
    text = text.set(text.str.to_lowercase().is_in(MISSING).fill_null(False), None)
    numbers = text.cast(pl.Int64, strict=False)
    canonical = (numbers.cast(pl.String) == text).fill_null(False) | text.is_null()
    return numbers if bool(canonical.all()) else text


def _times(column: pl.Series) -> pl.Series:
    """Times as float64: numbers as they stand, dates in seconds; null where unreadable."""
    if column.dtype.is_temporal():
        return column.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 1e6
    numbers = column.cast(pl.Float64, strict=False).fill_nan(None)
    if column.dtype == pl.String and len(numbers) and numbers.null_count() == len(numbers):
        dates = column.str.replace("T", " ").str.replace(r"(Z|[+-]\d\d:?\d\d)$", "")
        parsed = dates.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us")
        days = dates.str.to_datetime("%Y-%m-%d", strict=False, time_unit="us")
        return parsed.fill_null(days).dt.epoch("us").cast(pl.Float64) / 1e6
    return numbers
