"""The names of a run's things, by kind: ``ids.parquet``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from negatives.errors import InputError
from negatives.regular import regular
from negatives.training.files import replacing

KIND = "[a-z][a-z_]{0,40}"
"""Kinds of names are part of names of files."""
ROWS = 100
"""Names that a byte of the file may stand for at most, however well it is compressed."""
NAME = 1 << 24
"""Bytes of a name at most."""
SCHEMA = {"kind": pl.String, "index": pl.Int64, "name": pl.String}


def write_ids(path: Path, named: Mapping[str, pl.Series]) -> None:
    """Write the names of every kind ``(n,)``, by id."""
    frames = [pl.DataFrame(schema=SCHEMA)]
    for kind, names in named.items():
        index = pl.int_range(len(names), eager=True, dtype=pl.Int64)
        frame = pl.DataFrame({"index": index, "name": names.cast(pl.String)})
        frames.append(frame.select(pl.lit(kind).alias("kind"), "index", "name"))
    with replacing(path) as temporary:
        pl.concat(frames).write_parquet(temporary)


def read_ids(path: Path) -> dict[str, pl.Series]:
    """The names of every kind by id.

    Raises:
        InputError: The file is missing, no such table, or the ids of a kind are not 0, 1, 2, ...
    """
    if not path.exists():
        raise InputError("no such file", path=path, hint="train the run to its end")
    frame = _frame(regular(path))
    found = {}
    for (kind,), part in frame.group_by("kind", maintain_order=True):
        if not re.fullmatch(KIND, str(kind)):
            told = f"{str(kind)[:40]!r} is no kind of names"
            raise InputError(told, path=path, hint="train the run again")
        part = part.sort("index")
        if not part["index"].eq_missing(pl.int_range(len(part), eager=True)).all():
            raise InputError(f"the ids of {kind} names are not 0, 1, 2, ...", path=path, hint="train the run again")
        found[str(kind)] = part["name"]
    return found


def _frame(path: Path) -> pl.DataFrame:
    """The table, once its rows and names are of a sane size."""
    try:
        scanned = pl.scan_parquet(path, glob=False).select(
            pl.col("kind", "name").cast(pl.String), pl.col("index").cast(pl.Int64)
        )
        rows = int(scanned.select(pl.len()).collect().item())
        if rows > ROWS * path.stat().st_size:
            raise InputError(f"claims to hold {rows:,} names", path=path, hint="train the run again")
        frame = scanned.collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        raise InputError("not a table of names", path=path, hint="train the run again") from error
    longest = frame["name"].str.len_bytes().max()
    if isinstance(longest, int) and longest > NAME:
        raise InputError(f"a name has {longest:,} bytes", path=path, hint="train the run again")
    return frame
