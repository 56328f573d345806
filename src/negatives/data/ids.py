"""Columns of ids: whole numbers as they are, text as positions in the list of its distinct names.

A file is read block by block, and ids are numbered as the blocks come: a text that was seen before takes no more room
than its position. A column is one of numbers only where each of its ids is written as a plain whole number that fits
in 64 bits: ``007`` is not ``7``, and a column with both, or with one word, is text from the first row to the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from negatives.errors import InputError

if TYPE_CHECKING:
    from negatives.kernels import Numbering  # which imports PyTorch; a look at a small file does without

Ints = npt.NDArray[np.int64]
Column = TypeVar("Column", Ints, pl.Series)
SEEDS = (1, 2)
"""Seeds of the two halves of a text's hash."""
FEW = 1 << 16
"""Rows up to which a dictionary numbers texts as fast as a table of hashes."""
BLOCK = 1 << 20
"""Rows that are worked on at a time."""


@dataclass(frozen=True, slots=True)
class Ids:
    """A column of ids.

    Args:
        values: ``(n,)`` int64, the ids themselves where all are whole numbers, else positions in ``names``.
        names: Distinct text ids in order of first appearance, or None. After :meth:`pick` some may have no row.
    """

    values: Ints
    names: pl.Series | None = None

    def __len__(self) -> int:
        return self.values.size

    def pick(self, where: Any) -> Ids:
        """The rows chosen by a boolean mask ``(n,)`` or by positions.

        >>> Ids.of(["b", "a", "b"]).pick([2, 1]).text().to_list()
        ['b', 'a']
        """
        return Ids(self.values[np.asarray(where)], self.names)

    def text(self) -> pl.Series:
        """Every id as text, ``(n,)`` String."""
        return pl.Series(self.values).cast(pl.String) if self.names is None else self.names.gather(self.values)

    def as_text(self) -> Ids:
        """The same ids as text, numbers as they are plainly written."""
        if self.names is not None:
            return self
        numbers = pl.Series(_distinct([self.values]), dtype=pl.Int64)
        return Ids(codes_of(self, numbers), numbers.cast(pl.String))

    def listed(self) -> pl.Series:
        """The rows as names, where each stands once: whole numbers or text."""
        return pl.Series(self.values) if self.names is None else self.text()

    @classmethod
    def joined(cls, parts: Sequence[Ids]) -> Ids:
        """The rows of several columns, one column after another; numbers become text beside text.

        >>> Ids.joined([Ids.of([7, 12]), Ids.of(["a", "7"])]).text().to_list()
        ['7', '12', 'a', '7']
        """
        if all(part.names is None for part in parts):
            return cls(np.concatenate([part.values for part in parts]))
        names = _Names()
        return cls(np.concatenate([part._codes(names) for part in parts], dtype=np.int64), names.column())

    @classmethod
    def of(cls, column: Ids | pl.Series | npt.NDArray[Any] | Iterable[Any]) -> Ids:
        """The ids of one column in memory; see :meth:`IdsBuilder.add`."""
        if isinstance(column, Ids):
            return column
        builder = IdsBuilder()
        builder.add(column if isinstance(column, pl.Series) else pl.Series(column))
        return builder.build()

    def _codes(self, names: _Names) -> Ints:
        """Position of each row's text in a list of names, ``(n,)``, which grows by what it lacks."""
        if self.names is not None:
            return names.codes(self.names)[self.values]
        return np.concatenate([names.codes(pl.Series(part).cast(pl.String)) for part in _slices(self.values)])


@dataclass(slots=True)
class IdsBuilder:
    """Numbers a column of ids block by block.

    >>> builder = IdsBuilder()
    >>> builder.add(pl.Series([12, 7]))
    >>> builder.add(pl.Series(["7", "007"]))
    >>> builder.build().text().to_list()
    ['12', '7', '7', '007']
    """

    _values: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    _count: int = 0
    _names: _Names | None = None

    def add(self, series: pl.Series) -> None:
        """Take one block.

        Args:
            series: Ids without nulls: whole numbers, text, categories, floats (whole ones count as whole numbers) or
                truth values (as text).

        Raises:
            InputError: The ids are lists or objects, or some are null.
        """
        if series.dtype.is_nested() or series.dtype == pl.Object:
            raise InputError("a column of ids holds lists or objects", hint="name a column with one id per row")
        if series.null_count():
            raise InputError("an id is missing", hint="give every row an id")
        for part in _slices(series):
            self._add(part)

    def _add(self, series: pl.Series) -> None:
        if self._names is None:
            numbers = _numbers(series)
            if numbers is not None:
                self._append(numbers)
                return
            self._names = _Names()
            for block in _slices(self._values[: self._count]):
                block[:] = self._names.codes(pl.Series(block).cast(pl.String))
        self._append(self._names.codes(_text(series)))

    def _append(self, block: npt.NDArray[Any]) -> None:
        """Copy a block to the end of the memory of all, which grows where it stands, so nothing is held twice."""
        count = self._count + block.size
        if count > self._values.size:
            self._values.resize(max(count, self._values.size * 9 // 8), refcheck=False)
        self._values[self._count : count] = block
        self._count = count

    def build(self) -> Ids:
        """The column of all blocks; the builder is empty afterwards."""
        values, names = self._values, self._names
        values.resize(self._count, refcheck=False)
        self._values, self._count, self._names = np.empty(0, dtype=np.int64), 0, None
        return Ids(values, None if names is None else names.column())


class _Names:
    """Distinct text, numbered in order of first appearance; of many, two are one where 128 hashed bits agree."""

    def __init__(self) -> None:
        self._few: dict[str, int] = {}
        self._rows = 0
        self._numbering: Numbering | None = None
        self._found: list[pl.Series] = []

    def codes(self, text: pl.Series) -> Ints:
        """Position of each text ``(n,)`` String; text that is new gets the next ones."""
        self._rows += len(text)
        if self._rows <= FEW:
            few = self._few
            return np.fromiter((few.setdefault(one, len(few)) for one in text), np.int64, len(text))
        if self._numbering is None:
            from negatives.kernels import Numbering

            self._numbering = Numbering()
            self._hashed(pl.Series(list(self._few), dtype=pl.String), self._numbering)
        return self._hashed(text, self._numbering)

    def _hashed(self, text: pl.Series, numbering: Numbering) -> Ints:
        """The same by the table of hashes."""
        import torch

        from negatives.kernels import number_

        halves = (torch.from_numpy(text.hash(seed).to_numpy(writable=True).view(np.int64)) for seed in SEEDS)
        codes, fresh = number_(numbering, *halves)
        if fresh.numel():
            self._found.append(_own(text.gather(fresh.numpy())))
        return codes.numpy()

    def column(self) -> pl.Series:
        """All names so far."""
        if self._numbering is None:
            return pl.Series(list(self._few), dtype=pl.String)
        return pl.concat(self._found, rechunk=True) if self._found else pl.Series([], dtype=pl.String)


def _own(text: pl.Series) -> pl.Series:
    """The text in memory of its own: rows that are chosen from a block would keep the whole block."""
    return text + ""


def _slices(values: Column) -> Iterator[Column]:
    """The values in blocks, at least one."""
    for start in range(0, max(len(values), 1), BLOCK):
        yield values[start : start + BLOCK]


def _numbers(series: pl.Series) -> Ints | None:
    """The ids as int64 if each is a plain whole number that fits, else None."""
    if series.dtype.is_integer() or series.dtype.is_float():
        numbers = series.cast(pl.Int64, strict=False)
        if numbers.null_count() or not bool((numbers.cast(series.dtype) == series).all()):
            return None
        return numbers.to_numpy()
    if series.dtype in (pl.Categorical, pl.Enum):
        series = series.cast(pl.String)
    if series.dtype != pl.String:
        return None
    numbers = series.cast(pl.Int64, strict=False)
    if numbers.null_count():
        return None
    found = numbers.to_numpy()
    # No spelling of a number is shorter than the plain one, so the lengths agree only where all are plain.
    return found if int(series.str.len_bytes().sum()) == _digits(found) else None


def _digits(numbers: Ints) -> int:
    """Characters of all numbers as they are plainly written.

    >>> _digits(np.array([0, 10, -7]))
    5
    """
    low, high = int(numbers.min(initial=0)), int(numbers.max(initial=0))
    count = numbers.size + (int(np.count_nonzero(numbers < 0)) if low < 0 else 0)
    for limit in (10**power for power in range(1, 19)):
        count += int(np.count_nonzero(numbers >= limit)) if high >= limit else 0
        count += int(np.count_nonzero(numbers <= -limit)) if low <= -limit else 0
    return count


def _text(series: pl.Series) -> pl.Series:
    """The ids as text: whole numbers as they are plainly written, whatever their type."""
    if not series.dtype.is_float():
        return series.cast(pl.String)
    whole = series.cast(pl.Int64, strict=False)
    same = (whole.cast(series.dtype) == series).fill_null(False)
    return whole.cast(pl.String).zip_with(same, series.cast(pl.String))


def names_of(columns: Sequence[Ids]) -> pl.Series:
    """Distinct names of one or several columns, sorted: numbers by value, text by its characters.

    >>> names_of([Ids.of([10, 9])]).to_list(), names_of([Ids.of([10, 9]), Ids.of(["b"])]).to_list()
    ([9, 10], ['10', '9', 'b'])
    """
    if all(column.names is None for column in columns):
        return pl.Series(_distinct([column.values for column in columns]), dtype=pl.Int64)
    own = [_own_names(column) for column in columns]
    return own[0].sort() if len(own) == 1 else pl.concat(own).unique().sort()


def _own_names(column: Ids) -> pl.Series:
    """Distinct text of a column's rows."""
    found = pl.Series(_distinct([column.values]), dtype=pl.Int64)
    if column.names is None:
        return found.cast(pl.String)
    return column.names if len(found) == len(column.names) else column.names.gather(found)


def codes_of(column: Ids, names: pl.Series, in_place: bool = False) -> Ints:
    """Position of each id in ``names`` (distinct), ``(n,)`` int64; -1 where it is not there.

    Args:
        column: The ids.
        names: Int64 or String, as :func:`names_of` gives them.
        in_place: Write over the column, which is used up by it, where large data should not stand in memory twice.

    >>> codes_of(Ids.of([7, 12]), pl.Series(["12", "a"])).tolist()
    [-1, 0]
    """
    found = column.values if in_place and column.values.flags.writeable else np.empty(len(column), dtype=np.int64)
    if column.names is not None:
        _take(_joined(column.names, names.cast(pl.String)), column.values, found)
    elif names.dtype == pl.Int64:
        _places(column.values, names.to_numpy(), found)
    else:
        own = _distinct([column.values])
        _places(column.values, own, found)
        _take(_joined(pl.Series(own).cast(pl.String), names.cast(pl.String)), found, found)
    return found


def _take(table: Ints, places: Ints, found: Ints) -> None:
    for part, into in zip(_slices(places), _slices(found), strict=True):
        np.take(table, part, out=into, mode="clip")


def _joined(values: pl.Series, names: pl.Series) -> Ints:
    """Position of each value in distinct names of the same type, -1 where it is not there."""
    known = pl.DataFrame({"name": names, "at": np.arange(len(names), dtype=np.int64)})
    found = values.alias("name").to_frame().join(known, on="name", how="left", maintain_order="left")["at"]
    return found.fill_null(-1).to_numpy()


def _span(columns: Sequence[Ints]) -> tuple[int, int, bool]:
    """Smallest and largest number, and whether a table over all numbers between them is small enough."""
    filled = [column for column in columns if column.size]
    if not filled:
        return 0, -1, True
    low, high = min(int(one.min()) for one in filled), max(int(one.max()) for one in filled)
    return low, high, high - low <= 4 * sum(one.size for one in filled) + BLOCK


def _distinct(columns: Sequence[Ints]) -> Ints:
    """Distinct numbers of all columns, sorted."""
    low, high, dense = _span(columns)
    if not dense:
        return pl.concat([pl.Series(column).unique() for column in columns]).unique().sort().to_numpy()
    seen = np.zeros(high - low + 1, dtype=bool)
    for column in columns:
        for part in _slices(column):
            seen[part - low] = True
    return np.flatnonzero(seen) + low


def _places(values: Ints, names: Ints, found: Ints) -> None:
    """Position of each value in distinct numbers of any order, -1 where it is not there."""
    low, high, dense = _span([names])
    every = pl.Series(names)
    table = np.full(high - low + 2 if dense else 0, -1, dtype=np.int64)  # the last place is that of all other numbers
    if dense:
        table[names - low] = np.arange(names.size)
    for part, into in zip(_slices(values), _slices(found), strict=True):
        if not dense:
            into[:] = _joined(pl.Series(part), every)
            continue
        inside = (part >= low) & (part <= high)
        at = part - low if inside.all() else np.where(inside, part, high + 1) - low
        np.take(table, at, out=into, mode="clip")
