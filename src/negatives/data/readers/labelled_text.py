"""Texts with labels: cells become lists of labels, by one separator for all parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl

from negatives.data.labelled import LabelledTable
from negatives.data.readers.values import all_numbers, label_separator
from negatives.data.table import Table
from negatives.errors import InputError

SHOWN = 5


def labelled_texts(tables: Mapping[str, Table], separator: str | None = None) -> dict[str, LabelledTable]:
    """Rows with their labels by part.

    Args:
        tables: Columns ``text``, and ``labels`` as lists or as text.
        separator: What stands between the labels of a text; found where it is left out, for all parts alike.

    Raises:
        InputError: No row has a label.
    """
    for table in tables.values():
        _refuse_numbers(table)
    columns = {part: table.texts("labels") for part, table in tables.items()}
    if separator is None:
        cells = [column for column in columns.values() if column.dtype == pl.String]
        separator = label_separator([cell for column in cells for cell in column.drop_nulls().unique().to_list()])
    found = {part: _labelled(part, table, columns[part], separator) for part, table in tables.items()}
    if not any(len(table.labels) for table in found.values()):
        raise InputError("no row has a label", hint="name their column with --columns labels=...")
    return found


def _refuse_numbers(table: Table) -> None:
    """Texts that are numbers, all of them, are features, which tables do not hold here."""
    if all_numbers(table.texts("text").head(1000)):
        column = table.named.get("text", "of texts")
        hint = "name another with --columns text=..., or write features as lines 'label 1:0.5 7:2'"
        raise InputError(f"the column {column} holds numbers, not texts", hint=hint)


def compared(tables: Mapping[str, LabelledTable]) -> dict[str, LabelledTable]:
    """The same tables, with a note for each part that has labels unknown in ``train``."""
    trained = set(tables["train"].labels.unique().to_list())
    found = dict(tables)
    for part, table in tables.items():
        names = table.labels.unique(maintain_order=True).to_list()
        fresh = [str(name) for name in names if name not in trained]
        if fresh:
            shown = ", ".join(name[:30] for name in fresh[:SHOWN]) + (", ..." if len(fresh) > SHOWN else "")
            note = f"{part}: {len(fresh):,} of {len(names):,} labels have no row in train ({shown})"
            found[part] = replace(table, notes=(*table.notes, note))
    return found


def _labelled(part: str, table: Table, column: pl.Series, separator: str | None) -> LabelledTable:
    texts = table.texts("text")
    lists = column if column.dtype.is_nested() else _split(column, separator)
    rows = pl.DataFrame({"row": np.arange(len(texts)), "label": lists}).explode("label")
    rows = rows.with_columns(pl.col("label").str.strip_chars()).filter(
        pl.col("label").is_not_null() & (pl.col("label") != "")
    )
    rows = rows.unique(maintain_order=True)
    labels = rows["label"]
    between = f", labels between {separator!r}" if separator and column.dtype == pl.String else ""
    note = f"{part}: {len(texts):,} rows, {len(labels):,} labels, {labels.n_unique():,} different ones{between}"
    groups = table.ids("group") if "group" in table.columns else None
    shown = texts.str.split("\n").list.join(" ").str.replace_all(r"\s+", " ").str.strip_chars().str.slice(0, 80)
    return LabelledTable(rows["row"].to_numpy(), labels, texts, (*table.notes, note), names=shown, groups=groups)


def _split(column: pl.Series, separator: str | None) -> pl.Series:
    if separator is None:
        return column.reshape((-1, 1)).arr.to_list() if len(column) else column.cast(pl.List(pl.String))
    return column.str.split(separator)
