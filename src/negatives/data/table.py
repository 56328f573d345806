"""What a reader returns, and what a caller may say about the columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from negatives.data.pairs import SparseFeatures


@dataclass(frozen=True, slots=True)
class Columns:
    """How to take the columns of a table; what is None is guessed and told in the notes.

    Args:
        user: Name of the column with the queries; files without a header have ``column_1``, ``column_2``, ...
        item: Name of the column with the items.
        time: Name of the column with the times.
        rating: Name of the column with the ratings.
        min_rating: Keep only pairs with at least this rating.
        layout: Name of a reader, when its choice by file name and content is wrong.
        missing: ``"error"`` refuses rows with empty or NaN ids, ``"drop"`` drops and counts them.
    """

    user: str | None = None
    item: str | None = None
    time: str | None = None
    rating: str | None = None
    min_rating: float | None = None
    layout: str | None = None
    missing: str = "error"


@dataclass(frozen=True, slots=True)
class Table:
    """Pairs as they stand in one file.

    Args:
        users: ``(n,)`` int64 or text.
        items: ``(n,)`` int64 or text.
        times: ``(n,)`` float64, or None.
        notes: What was taken, skipped and dropped.
        catalogue: Names of all items in order, when the format lists them, else None.
        features: Content of the items of ``catalogue``, or None.
        relations: ``(n,)`` what joins each user (head) to its item (tail), when the format holds triples, else None.
    """

    users: pl.Series
    items: pl.Series
    times: npt.NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()
    catalogue: pl.Series | None = None
    features: SparseFeatures | None = None
    relations: pl.Series | None = None

    def __len__(self) -> int:
        return len(self.users)
