"""A table as its format gives it: named columns, block by block, with the line on which each row stands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from negatives.data.ids import Ids, IdsBuilder
from negatives.errors import InputError

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows of a table.

    Args:
        frame: The columns that were asked for.
        line: Line on which a row of the frame stands, counted from one, ``(n,)`` int64; computed when it is needed.
    """

    frame: pl.DataFrame
    line: Callable[[], Ints]


def counted(first: int, n: int) -> Callable[[], Ints]:
    """Lines of rows that stand one on each line, the first on ``first``."""
    return lambda: np.arange(first, first + n)


class Builder(Protocol):
    """Puts a column of ids together, block by block."""

    def add(self, series: pl.Series, /) -> None:
        """Take one block, without nulls."""

    def build(self) -> Ids:
        """The whole column."""


class Frames(ABC):
    """The columns of one file.

    Attributes:
        unit: What the lines of errors count: ``line`` or ``row``.
        path: The file.
        names: Its columns.
        sample: Its first rows, all columns, up to a thousand.
        notes: How it was understood.
        header: Whether the file names its columns; where it does not, they are called ``column_1``, ...
        time_format: How the format writes times, where their look would leave a doubt; else None.
        advice: What may be meant instead where a row lacks a value.
    """

    unit: ClassVar[str] = "line"
    time_format: str | None = None
    advice: str = ""

    def __init__(
        self, path: Path, names: Sequence[str], sample: pl.DataFrame, notes: Iterable[str] = (), header: bool = True
    ) -> None:
        self.path, self.names, self.sample, self.header = path, list(names), sample, header
        self.notes = list(notes)

    @abstractmethod
    def blocks(self, columns: Sequence[str], ids: Sequence[str] = ()) -> Iterator[Block]:
        """Some columns of all rows, in order.

        Args:
            columns: Their names.
            ids: Those whose cells are names to be numbered. A format may give them as numbers that only :meth:`builder`
                understands, with null where nothing stands.

        Raises:
            InputError: The file cannot be read; names the line.
        """

    def builder(self, column: str) -> Builder:
        """What puts the blocks of a column of ids together, asked for after the first block."""
        return IdsBuilder()


class InMemory(Frames):
    """A table that is there already."""

    unit = "row"

    def __init__(
        self, path: Path, frame: pl.DataFrame, notes: Iterable[str] = (), header: bool = True, first: int = 1
    ) -> None:
        super().__init__(path, frame.columns, frame.head(1000), notes, header)
        self._frame, self._first = frame, first

    def blocks(self, columns: Sequence[str], ids: Sequence[str] = ()) -> Iterator[Block]:
        if self._frame.is_empty():
            raise InputError("the table is empty", path=self.path, hint="give at least one row")
        yield Block(self._frame.select(columns), counted(self._first, len(self._frame)))


def anonymous(width: int) -> list[str]:
    """Names for columns that have none.

    >>> anonymous(2)
    ['column_1', 'column_2']
    """
    return [f"column_{place + 1}" for place in range(width)]


def distinct_names(names: Sequence[str | None]) -> list[str]:
    """Names of columns without blanks around them, each once; a missing one is called after its place.

    >>> distinct_names(["a", " a", ""])
    ['a', 'a_2', 'column_3']
    """
    found: list[str] = []
    for place, name in enumerate(names):
        one = (name or "").strip() or f"column_{place + 1}"
        again = 2
        while one in found:
            one, again = f"{(name or '').strip()}_{again}", again + 1
        found.append(one)
    return found
