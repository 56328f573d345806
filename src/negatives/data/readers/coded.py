"""Columns of ids straight from the bytes of a text: whole numbers, or positions in the list of distinct texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor

from negatives.data.ids import Ids
from negatives.data.readers import values
from negatives.kernels.fields import LONGEST, Names, coded, packed, whole_numbers
from negatives.kernels.threads import threads

Codes = npt.NDArray[np.int32]
_NONE = 0
"""A byte that no text holds."""


class CodedColumns:
    """The id columns of a table of text whose cells stand between single bytes, without quotation marks.

    Args:
        sample: First rows, as text; they say which columns are whole numbers.
        columns: The id columns.
        separator: Byte between two cells.
    """

    def __init__(self, sample: pl.DataFrame, columns: Sequence[str], separator: int) -> None:
        self._width, self._separator = len(sample.columns), separator
        self.places = {name: sample.columns.index(name) for name in columns}
        self.whole = frozenset(name for name in columns if Ids.of(sample[name].drop_nulls()).names is None)
        missing = packed([text for text in values.MISSING if len(text.encode()) <= LONGEST])
        self._names = {name: Names(missing) for name in columns if name not in self.whole}
        self.coded = self._names.keys()

    def read(self, block: bytes) -> dict[str, pl.Series]:
        """The columns of whole lines that need no other parser: whole numbers, or codes with null where nothing stands.

        A column is left out where its cells, or the lines, are not what the passes can read.
        """
        raw = torch.from_numpy(np.frombuffer(bytearray(block), np.uint8))
        with ThreadPoolExecutor(max(1, min(threads(), len(self.places)))) as pool:
            found = list(pool.map(lambda name: self._column(raw, name), self.places))
        return {name: column for name, column in zip(self.places, found, strict=True) if column is not None}

    def _column(self, raw: Tensor, name: str) -> pl.Series | None:
        place = self.places[name]
        if name in self.whole:
            numbers = whole_numbers(raw, self._separator, self._width, place)
            return None if numbers is None else pl.Series(name, numbers.numpy())
        return _series(name, coded(raw, self._separator, self._width, place, self._names[name]))

    def codes(self, column: pl.Series) -> pl.Series:
        """Codes of a column that another parser has read."""
        text = column.fill_null("").str.replace_all("\n", " ", literal=True).str.join("\n").item() + "\n"
        raw = torch.from_numpy(np.frombuffer(bytearray(text.encode()), np.uint8))
        found = _series(column.name, coded(raw, _NONE, 1, 0, self._names[column.name]))
        assert found is not None
        return found

    def builder(self, name: str) -> CodedBuilder | None:
        """What puts the codes of a column together; None for a column of whole numbers."""
        return None if name in self.whole else CodedBuilder(self._names[name].texts)


class CodedBuilder:
    """Puts codes of blocks together, in place of :class:`negatives.data.ids.IdsBuilder`.

    Args:
        names: Gives the distinct texts in the end.
    """

    def __init__(self, names: Callable[[], list[str]]) -> None:
        self._names, self._blocks = names, list[Codes]()

    def add(self, series: pl.Series) -> None:
        """Take the codes of one block, none of them null."""
        self._blocks.append(series.cast(pl.Int32).to_numpy())

    def build(self) -> Ids:
        """The column: numbers where every name is a plain whole number, else text."""
        names = pl.Series(self._names(), dtype=pl.String)
        found = Ids.of(values.trimmed(names).fill_null(""))  # blanks beyond ASCII, and names that were two until now
        column, at = np.empty(sum(block.size for block in self._blocks), np.int64), 0
        self._blocks.reverse()
        while self._blocks:
            block = self._blocks.pop()
            column[at : at + block.size] = found.values[block]
            at += block.size
        return Ids(column, found.names)


def _series(name: str, codes: Tensor | None) -> pl.Series | None:
    if codes is None:
        return None
    column = pl.Series(name, codes.numpy())
    return column.set(column < 0, None) if int(codes.min()) < 0 else column
