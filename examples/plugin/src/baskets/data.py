"""Baskets in the order of time: each user's last is the test, the one before it validates."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import torch

from negatives.data.encode import number
from negatives.data.ids import Ids
from negatives.data.pairs import PairData, Pairs
from negatives.data.table import Table
from negatives.errors import InputError

BACK = {"test": 1, "valid": 2}
"""Baskets that become a part, counted from each user's last."""


def divide(table: Table, name: str, least: int, path: Path | None = None) -> PairData:
    """Parts of a table of baskets.

    A training pair has the time of its last purchase. What a user buys again may stand in several parts, and no pair is
    hidden as a canary.

    Args:
        table: Who took what and when; all that a user takes at one time is a basket.
        name: Short name of the data.
        least: Baskets that a user needs to be kept, three or more.
        path: Where the data stands, for errors.

    Raises:
        InputError: There are no times, or no user has enough baskets.
    """
    times = table.numbers("time")
    if times is None:
        raise InputError("baskets need an order, and no times were found", path=path, hint="add a column of times")
    rows = pl.DataFrame({"user": table.ids("user").text(), "item": table.ids("item").text(), "time": times})
    back = pl.col("time").rank("dense", descending=True).over("user")
    rows = rows.with_columns(back=back, baskets=pl.col("time").n_unique().over("user"))
    kept = rows.filter(pl.col("baskets") >= least)
    if kept.is_empty():
        raise InputError(f"no user has {least} baskets", path=path, hint="give more data, or lower reading.least")
    early = kept.filter(pl.col("back") > max(BACK.values()))
    parts = {"train": early.group_by("user", "item", maintain_order=True).agg(pl.col("time").max())}
    parts |= {part: kept.filter(pl.col("back") == place) for part, place in BACK.items()}
    numbered = number({part: as_table(rows) for part, rows in parts.items()})
    few = rows["user"].n_unique() - kept["user"].n_unique()
    empty = Pairs(torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64))
    names, items = numbered.query_names, numbered.item_names
    sizes = ", ".join(f"{part} {len(one):,}" for part, one in numbered.parts.items())
    notes = [*table.notes, *numbered.notes, f"{len(names):,} users, {len(items):,} items; pairs: {sizes}"]
    notes += [f"{few:,} users with fewer than {least} baskets left out"] if few else []
    train, valid, test = (numbered.parts[part] for part in ("train", "valid", "test"))
    return PairData(name, train, valid, test, empty, names, items, None, tuple(notes))


def as_table(rows: pl.DataFrame) -> Table:
    """Rows of a part as a table."""
    return Table({"user": Ids.of(rows["user"]), "item": Ids.of(rows["item"]), "time": rows["time"].to_numpy()})


__all__ = ["divide"]
