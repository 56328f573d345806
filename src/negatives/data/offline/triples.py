"""For knowledge: the standard library's modules, classes and functions as a knowledge graph."""

from __future__ import annotations

import builtins
from pathlib import Path

import polars as pl

from negatives.data.ids import Ids
from negatives.data.offline.sources import mine
from negatives.data.offline.views import absolute
from negatives.data.table import Table

DEFINES_CLASS, DEFINES_FUNCTION, INHERITS, RAISES, IMPORTS = (
    "defines class",
    "defines function",
    "inherits from",
    "raises",
    "imports",
)
SCHEMA = {"head": pl.String(), "relation": pl.String(), "tail": pl.String()}


def stdlib_triples(root: Path | None = None, cache: bool = True) -> Table:
    """Which module defines what, which class inherits from which, which function raises what, who imports whom.

    Functions that raise nothing are left out: a single triple says too little about them. A name that is inherited
    or raised is looked up in its own module, then among all classes, then among the builtins; what is none of these
    is dropped and counted.

    Args:
        root: Folder of sources; None for the standard library.
        cache: Use the user's cache folder.
    """
    records = mine(root, cache).with_columns(_full_name().alias("full"))
    classes = records.filter(pl.col("kind") == "class")
    raising = records.filter((pl.col("kind") == "function") & (pl.col("raises").list.len() > 0))
    inherits, lost = _resolved(classes, "bases", INHERITS, classes)
    raises, also_lost = _resolved(raising, "raises", RAISES, classes)
    frame = pl.concat(
        [_defined(classes, DEFINES_CLASS), _defined(raising, DEFINES_FUNCTION), inherits, raises, _imports(records)]
    ).unique(maintain_order=True)
    entities = pl.concat([frame["head"], frame["tail"]]).n_unique()
    notes = (
        f"standard library: {records['module'].n_unique():,} modules, {entities:,} entities, {len(frame):,} triples",
        f"standard library: {lost + also_lost:,} bases and exceptions dropped, their names are no class",
    )
    return Table({role: Ids.of(frame[role]) for role in SCHEMA}, notes)


def _full_name() -> pl.Expr:
    name = pl.col("module") + "." + pl.col("name")
    return pl.when(pl.col("kind") == "module").then(pl.col("module")).otherwise(name)


def _defined(records: pl.DataFrame, relation: str) -> pl.DataFrame:
    return records.select(
        pl.col("module").alias("head"), pl.lit(relation).alias("relation"), pl.col("full").alias("tail")
    )


def _resolved(records: pl.DataFrame, column: str, relation: str, classes: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Triples of ``records`` with the classes that ``column`` names by their last part, and how many are none."""
    last = pl.col("name").str.split(".").list.last()
    named = classes.select("module", last.alias("short"), "full")
    own = named.unique(["module", "short"], keep="first", maintain_order=True).rename({"full": "own"})
    once = named.group_by("short").agg(pl.col("full").first().alias("anywhere"), pl.len().alias("times"))
    once = once.filter(pl.col("times") == 1).select("short", "anywhere")
    pairs = records.select("module", "full", pl.col(column).alias("short")).explode("short").drop_nulls("short")
    pairs = pairs.unique(maintain_order=True)
    found = pairs.join(own, on=["module", "short"], how="left", maintain_order="left")
    found = found.join(once, on="short", how="left", maintain_order="left")
    builtin = [name for name in dir(builtins) if isinstance(getattr(builtins, name), type)]
    plain = pl.when(pl.col("short").is_in(builtin)).then(pl.col("short"))
    found = found.select(
        pl.col("full").alias("head"),
        pl.lit(relation).alias("relation"),
        pl.coalesce(pl.col("own"), plain, pl.col("anywhere")).alias("tail"),
    )
    kept = found.drop_nulls("tail").filter((pl.col("head") != pl.col("tail")) & (pl.col("tail") != "object"))
    return kept, int(found["tail"].null_count())


def _imports(records: pl.DataFrame) -> pl.DataFrame:
    """Imports between modules, relative ones resolved."""
    modules = set(records.filter(pl.col("kind") == "module")["module"].to_list())
    packages = {name.rpartition(".")[0] for name in modules if "." in name}
    rows: list[tuple[str, str, str]] = []
    for module, names in records.select("module", "imports").iter_rows():
        for name in names:
            target = absolute(name, module, module in packages)
            if target in modules and target != module:
                rows.append((module, IMPORTS, target))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")
