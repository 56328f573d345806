"""For classify: which module of the standard library a docstring comes from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from negatives.data.labelled import LabelledTable
from negatives.data.offline.sources import mine

MIN_ROWS = 10


def docstring_modules(root: Path | None = None, cache: bool = True, min_rows: int = MIN_ROWS) -> LabelledTable:
    """Docstrings of functions and classes with the module they come from, and its package where it has one.

    Args:
        root: Folder of sources; None for the standard library.
        cache: Use the user's cache folder.
        min_rows: Modules and packages with fewer docstrings are no labels.
    """
    records = mine(root, cache).filter((pl.col("kind") != "module") & (pl.col("doc").str.len_chars() > 0))
    package = pl.when(pl.col("module").str.contains(".", literal=True)).then(
        pl.col("module").str.split(".").list.first() + ".*"
    )
    records = records.with_columns(package.alias("package"), pl.int_range(pl.len()).alias("row"))
    pairs = pl.concat([records.select("row", label="module"), records.select("row", label="package").drop_nulls()])
    common = pairs.group_by("label").len().filter(pl.col("len") >= min_rows)
    pairs = pairs.join(common, on="label", how="semi").sort("row", "label")
    kept = records.join(pairs.select("row").unique(), on="row", how="semi").sort("row")
    place = np.full(len(records), -1, np.int64)
    place[kept["row"].to_numpy()] = np.arange(len(kept))
    notes = (
        f"standard library: {len(kept):,} docstrings of functions and classes, {len(common):,} modules and packages",
        f"standard library: {len(records) - len(kept):,} docstrings left out, their modules have fewer than {min_rows}",
    )
    names = kept["module"] + "." + kept["name"]
    return LabelledTable(place[pairs["row"].to_numpy()], pairs["label"], kept["doc"], notes, names=names)
