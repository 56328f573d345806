"""What the columns of a table of users or items are: categories, lists, texts, numbers or vectors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import polars as pl

from negatives.data.columns import KINDS
from negatives.data.readers import values
from negatives.data.readers.roles import ID_NAME
from negatives.errors import ConfigError
from negatives.registry import suggest

SKIP = "skip"
MANY = 0.5
"""Share of distinct cells from which texts are no categories."""
FEW_TEXTS = 20
"""Rows up to which single words that differ are categories all the same."""
FEW = 100
"""Rows from which a value that stands in one row alone says nothing."""
TYPED = {"token": "category", "token_seq": "list", "float": "number", "float_seq": "vector"}
"""Kinds by the types that RecBole writes behind the names of columns."""
MARKS = ("|", ";", ",")


def asked_kinds(text: str | None, option: str) -> dict[str, str]:
    """Kinds by column, as they are asked for.

    Raises:
        ConfigError: There is no such kind.

    >>> asked_kinds("price:number, junk:skip", "reading.item_columns")
    {'price': 'number', 'junk': 'skip'}
    """
    found = {}
    for one in filter(None, (part.strip() for part in (text or "").split(","))):
        name, _, kind = one.rpartition(":")
        if not name or kind not in (*KINDS, SKIP, "id"):
            hint = suggest(kind, (*KINDS, SKIP, "id")) if name else "write column:kind"
            raise ConfigError(f"{option}: {one!r} is no column with its kind; {hint}")
        found[name.strip()] = kind
    return found


def kind_of(cells: pl.Series) -> tuple[str, str | None]:
    """The kind of a column, and what stands between the values of a list that is written as a text.

    >>> kind_of(pl.Series("price", ["1.5", "2", None])), kind_of(pl.Series("genres", ["a|b", "b|c", "a"]))
    (('number', None), ('list', '|'))
    >>> kind_of(pl.Series("city", ["Rome", "Rome", "Oslo", "Rome", "Oslo"]))
    ('category', None)
    """
    typed = TYPED.get(cells.name.partition(":")[2])
    if typed is not None:
        return typed, " " if typed == "list" else None
    there = cells.drop_nulls()
    if there.dtype.is_nested():
        return ("vector" if _are_vectors(there) else "list"), None
    there = there if there.dtype != pl.String else values.trimmed(there).drop_nulls()
    if there.dtype == pl.Boolean or there.is_empty():
        return "category", None
    if numbers_of(there).null_count() == 0:
        return ("category" if ID_NAME.search(cells.name) else "number"), None
    texts = there.cast(pl.String)
    if bool(texts.str.contains(r"^\[?[-\d.eE+,; ]+\]?$").all()):
        return "vector", None
    for mark in MARKS:
        if _are_lists(texts, mark):
            return "list", mark
    words = len(texts) >= FEW_TEXTS or bool(texts.str.contains(r"\S\s+\S").any())
    return ("text" if words and texts.n_unique() > MANY * len(texts) else "category"), None


def least_of(n_rows: int) -> int:
    """Rows in which a value must stand to have a column."""
    return 2 if n_rows >= FEW else 1


def chosen(cells: pl.Series, asked: Mapping[str, str]) -> tuple[str, str | None]:
    """As :func:`kind_of`, unless a kind was asked for."""
    kind = asked.get(cells.name, asked.get(cells.name.partition(":")[0]))
    if kind is None:
        return kind_of(cells)
    if kind != "list" or cells.dtype.is_nested():
        return kind, None
    texts = cells.cast(pl.String).drop_nulls()
    found = [mark for mark in (*MARKS, " ") if bool(texts.str.contains(mark, literal=True).any())]
    return kind, found[0] if found else "|"


def numbers_of(cells: pl.Series) -> pl.Series:
    """Cells as float64: numbers, yes and no, and times as seconds; null for all else."""
    if cells.dtype == pl.Boolean:
        return cells.cast(pl.Float64)
    if cells.dtype.is_temporal() or (cells.dtype == pl.String and values.looks_like_time(cells)):
        return values.times(cells, values.time_format(cells)[0], 1.0)
    found = values.numbers(cells)
    return found.set(~found.is_finite().fill_null(True), None)


def listed(cells: pl.Series, kind: str, mark: str | None) -> list[list[str]]:
    """The values of each cell of a category or a list."""
    if kind == "category":
        return [[] if one is None else [str(one)] for one in values.ids(cells)]
    if isinstance(cells.dtype, (pl.List, pl.Array)):
        return [list(dict.fromkeys(one.strip() for one in row)) for row in values.text_lists(cells)]
    text = values.trimmed(cells.cast(pl.String))
    pieces = [[] if one is None else one.strip("[]").split(mark) if mark else [one] for one in text]
    return [list(dict.fromkeys(one.strip().strip("'\"") for one in row if one.strip())) for row in pieces]


def _are_vectors(cells: pl.Series) -> bool:
    """Whether lists are as long as one another and hold numbers, some with a fraction."""
    if len(cells) == 0 or cells.list.len().n_unique() != 1:
        return False
    found = values.numbers(cells.list.explode())
    return found.null_count() == 0 and bool((found != found.floor()).any())


def _are_lists(texts: pl.Series, mark: str) -> bool:
    """Whether a mark divides values: most of them come in several cells, and some cells hold two."""
    rows = listed(texts, "list", mark)
    if not any(len(row) > 1 for row in rows) or max(len(one) for row in rows for one in (*row, "")) > 40:
        return False
    counts = Counter(one for row in rows for one in row)
    return 2 * sum(count > 1 for count in counts.values()) > len(counts)
