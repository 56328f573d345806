"""Parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from negatives.data.readers.base import Reader
from negatives.data.readers.gather import Gather
from negatives.data.readers.roles import guess_roles
from negatives.data.table import Columns, Table
from negatives.errors import InputError


@contextmanager
def scanned(path: Path, what: str) -> Iterator[pl.LazyFrame]:
    """A Parquet file, of which a block reads what it needs.

    Args:
        path: The file.
        what: What stands in a row, for the error.

    Raises:
        InputError: The file is empty, or cannot be read as Parquet.
    """
    if path.stat().st_size == 0:
        raise InputError("the file is empty", path=path, hint=f"give a file with at least one {what}")
    try:
        yield pl.scan_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"not a readable Parquet file ({reason})", path=path, hint="write the file again") from error


def read_parquet(path: Path, columns: Columns) -> Table:
    """Read the needed columns of a Parquet file; errors count its rows from one.

    Raises:
        InputError: The file is not Parquet, ids are missing, or no pair is left.
    """
    with scanned(path, "pair") as lazy:
        sample = lazy.head(1000).collect()
        gather = Gather(path, guess_roles(path, sample, columns), columns, "row")
        frame = lazy.select(gather.wanted()).collect()
    gather.add(frame, 1)
    return gather.table()


class Parquet(Reader):
    """Parquet files."""

    suffixes = (".parquet", ".pq")

    def read(self, path: Path, columns: Columns) -> Table:
        return read_parquet(path, columns)
