"""Parquet files."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from negatives.data.readers.base import Reader
from negatives.data.readers.gather import Gather
from negatives.data.readers.roles import guess_roles
from negatives.data.table import Columns, Table
from negatives.errors import InputError


def read_parquet(path: Path, columns: Columns) -> Table:
    """Read the needed columns of a Parquet file; errors count its rows from one.

    Raises:
        InputError: The file is not Parquet, ids are missing, or no pair is left.
    """
    if path.stat().st_size == 0:
        raise InputError("the file is empty", path=path, mend="give a file with at least one pair")
    try:
        lazy = pl.scan_parquet(path, glob=False)
        sample = lazy.head(1000).collect()
        gather = Gather(path, guess_roles(path, sample, columns), columns, "row")
        frame = lazy.select(gather.wanted()).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"not a readable Parquet file ({reason})", path=path, mend="write the file again") from error
    gather.add(frame, 1)
    return gather.table()


class Parquet(Reader):
    """Parquet files."""

    suffixes = (".parquet", ".pq")

    def read(self, path: Path, columns: Columns) -> Table:
        return read_parquet(path, columns)
