"""What each task takes from the standard library's records."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import torch

from negatives.data.ids import Ids
from negatives.data.offline.sources import mine
from negatives.data.pairs import SparseFeatures
from negatives.data.table import Table

MIN_FUNCTIONS = 5


def function_calls(
    root: Path | None = None,
    cache: bool = True,
    min_functions: int = MIN_FUNCTIONS,
    column: str = "calls",
    ordered: bool = False,
) -> Table:
    """For recommend and sequence: a function is the user, the names it calls are the items.

    Args:
        root: Folder of sources; None for the standard library.
        cache: Use the user's cache folder.
        min_functions: Names called by fewer functions are dropped.
        column: ``calls``, or ``uses`` for all names and attributes that a function takes from outside.
        ordered: Whether the names of a function stand in the order in which they come first in its source.
    """
    records = mine(root, cache).filter(pl.col("kind") == "function")
    label = pl.col("module") + "." + pl.col("name")
    pairs = records.select(user=label, item=pl.col(column)).explode("item").drop_nulls()
    pairs = pairs.unique(maintain_order=True)
    common = pairs.group_by("item").len().filter(pl.col("len") >= min_functions)
    kept = pairs.filter(pl.col("item").is_in(common["item"].implode()))
    kept = kept if ordered else kept.sort("user", "item")
    catalogue = common["item"].sort()
    notes = (
        f"standard library: {records['module'].n_unique():,} modules, {len(records):,} functions and methods",
        f"standard library: {len(pairs) - len(kept):,} pairs with names in fewer than {min_functions} "
        "functions dropped",
        f"standard library: {kept['user'].n_unique():,} functions, {len(catalogue):,} names, {len(kept):,} pairs",
    )
    columns = {"user": Ids.of(kept["user"]), "item": Ids.of(kept["item"])}
    return Table(columns, notes, None, Ids.of(catalogue), name_tokens(catalogue))


def name_tokens(names: pl.Series) -> SparseFeatures:
    """Bag of the words in each name.

    >>> name_tokens(pl.Series(["getvalue", "get_value", "getValue"])).n_cols
    3
    """
    return indicators([split_name(str(name)) for name in names])


def indicators(rows: list[list[str]]) -> SparseFeatures:
    """The distinct words of each row as its features, numbered in their order, all of value one."""
    known = {word: i for i, word in enumerate(sorted({word for row in rows for word in row}))}
    sizes = torch.tensor([0, *(len(row) for row in rows)], dtype=torch.int64)
    ids = torch.tensor([known[word] for row in rows for word in row], dtype=torch.int32)
    return SparseFeatures(sizes.cumsum(0), ids, torch.ones(ids.numel()), len(known))


def split_name(name: str) -> list[str]:
    """Distinct lower-case words of an identifier, sorted.

    >>> split_name("assertRaises_HTTPError2")
    ['assert', 'error', 'http', 'raises']
    """
    return sorted({word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}) or [name]


def absolute(name: str, module: str, package: bool) -> str:
    """The module that ``name`` means in an import statement of ``module``.

    >>> absolute("..b", "a.c.d", package=False), absolute(".b", "a", package=True), absolute("os", "a", package=False)
    ('a.b', 'a.b', 'os')
    """
    if not name.startswith("."):
        return name
    rest = name.lstrip(".")
    levels = len(name) - len(rest) - (1 if package else 0)
    base = module.split(".")
    base = base[: len(base) - levels] if levels else base
    return ".".join([*base, rest]) if rest else ".".join(base)
