"""The names of a run's things, by kind: ``ids.parquet``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from negatives.errors import InputError
from negatives.training.files import replacing

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
    if not path.is_file():
        raise InputError("no such file", path=path, hint="train the run to its end")
    try:
        frame = pl.read_parquet(path).select(pl.col("kind", "name").cast(pl.String), pl.col("index").cast(pl.Int64))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError("not a table of names", path=path, hint="train the run again") from error
    found = {}
    for (kind,), part in frame.group_by("kind", maintain_order=True):
        part = part.sort("index")
        if not (part["index"] == pl.int_range(len(part), eager=True)).all():
            raise InputError(f"the ids of {kind} names are not 0, 1, 2, ...", path=path, hint="train the run again")
        found[str(kind)] = part["name"]
    return found
